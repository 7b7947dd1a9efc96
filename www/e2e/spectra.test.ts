import { Matrix, SingularValueDecomposition } from "ml-matrix";
import type { Page } from "playwright-core";
import { load } from "scatterbrain-attention";
import { beforeAll, expect, it } from "vitest";
import { commonOptions } from "../src/lib/request.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import { headOf, open, settled, stateSearch, useBrowser } from "./harness.ts";

useBrowser();

const state: State = {
  ...DEFAULTS,
  preset: "clusters",
  temperature: 0.3,
  clusters: { ...DEFAULTS.clusters, tokens: 192, clusters: 8 },
};
const head = headOf(state);
const n = head.tokens;
type Expected = Awaited<ReturnType<typeof expectations>>;
let expected: Expected;

beforeAll(async () => {
  expected = await expectations();
});

async function expectations() {
  const sb = await load();
  try {
    const { temperature } = state;
    const options = commonOptions(state, head);
    const view = await sb.decompose({ ...options, method: "scatterbrain", temperature });
    const { q, k, shape, scale } = options;
    const robust = await sb.robustPca({ q, k, shape, scale, temperature });
    const exact = Matrix.from1DArray(n, n, view.exact);
    return { view, robust, exact, values: Matrix.from1DArray(n, head.valueDim, head.v) };
  } finally {
    sb.dispose();
  }
}

/** Opens the figure by the address, and gives the rows of its table when it is done. */
async function table(page: Page, figure: string): Promise<Map<string, number[]>> {
  await page.evaluate((name) => {
    location.hash = `figure-${name}`;
  }, figure);
  await page.waitForSelector(`#figure-${figure}[data-state="done"]`);
  await page.waitForFunction(
    (name) => document.querySelector(`#figure-${name} .finding`)?.textContent !== "",
    figure,
  );
  const rows = await page.locator(`#figure-${figure} tbody tr`).evaluateAll((found) =>
    found.map((row) => {
      const cells = [...row.querySelectorAll("td")].map((cell) => Number(cell.dataset.value));
      return [row.querySelector("th")?.textContent ?? "", cells] as const;
    }),
  );
  return new Map(rows);
}

const finding = (page: Page, figure: string) => page.textContent(`#figure-${figure} .finding`);

it("singular values are those of the three matrices, and the low-rank part has the rank of its features", async () => {
  const page = await open({ search: `${stateSearch(state)}#figure-spectrum` });
  const rows = await table(page, "spectrum");
  expect(rows.size).toBe(128);
  const { view, exact } = expected;
  const residual = Matrix.sub(exact, Matrix.from1DArray(n, n, view.lowRank));
  const [whole, rest] = [exact, residual].map((matrix) => new SingularValueDecomposition(matrix).diagonal);
  const largest = whole?.[0] as number;
  for (const index of [0, 1, 7, 40, 127]) {
    const [shown, , left] = rows.get(String(index + 1)) ?? [];
    // The last ones of a sketch fall a little short.
    const tolerance = index < 100 ? 1e-3 : 0.05;
    expect(relativeGap(shown, (whole?.[index] as number) / largest)).toBeLessThan(tolerance);
    expect(relativeGap(left, (rest?.[index] as number) / largest)).toBeLessThan(tolerance);
  }
  const lowRank = (index: number) => rows.get(String(index))?.[1] as number;
  expect(lowRank(view.stats.features)).toBeGreaterThan(1e-4);
  expect(lowRank(view.stats.features + 1)).toBeLessThan(1e-6);
  expect(await finding(page, "spectrum")).toContain(`a rank of at most ${view.stats.features}`);
});

it("the support's coverage, and the floors of low rank, from the matrices themselves", async () => {
  const page = await open({ search: stateSearch(state) });
  await settled(page);
  const coverage = await table(page, "coverage");
  const { view, exact, values } = expected;
  let [held, best, entries] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const row = exact.getRow(i);
    const kept = row.filter((_, j) => view.support[i * n + j] === 1);
    const largest = [...row].sort((a, b) => b - a).slice(0, kept.length);
    held += kept.reduce((sum, mass) => sum + mass, 0);
    best += largest.reduce((sum, mass) => sum + mass, 0);
    entries += kept.length;
  }
  const [support, most, random] = coverage.get("Mean") as [number, number, number];
  expect(support).toBeCloseTo(held / n, 5);
  expect(most).toBeCloseTo(best / n, 5);
  expect(random).toBeCloseTo(entries / n / n, 10);
  expect(support).toBeGreaterThan(random);
  expect(support).toBeLessThan(most);
  expect((await finding(page, "coverage"))?.length).toBeGreaterThan(80);

  const floors = await table(page, "budget");
  const [low, both] = (floors.get("0.125") as number[]).slice(-2) as [number, number];
  const product = exact.mmul(values);
  const error = (estimate: Matrix) => Matrix.sub(product, estimate).norm() / product.norm();
  const floats = n / 8;
  expect(relativeGap(low, error(truncated(exact, floats).mmul(values)))).toBeLessThan(0.02);
  const rest = exact.clone();
  for (let i = 0; i < n; i++) {
    const order = exact.getRow(i).map((mass, j) => [mass, j] as const);
    for (const [, j] of order.sort((a, b) => b[0] - a[0]).slice(0, floats / 2)) rest.set(i, j, 0);
  }
  const estimate = Matrix.add(Matrix.sub(exact, rest), truncated(rest, floats / 2));
  expect(relativeGap(both, error(estimate.mmul(values)))).toBeLessThan(0.02);
});

function relativeGap(found: number | undefined, exact: number): number {
  return Math.abs((found as number) - exact) / exact;
}

/** The best matrix of this rank. */
function truncated(matrix: Matrix, rank: number): Matrix {
  const {
    leftSingularVectors: u,
    diagonal,
    rightSingularVectors: v,
  } = new SingularValueDecomposition(matrix);
  const kept = Matrix.diag(diagonal.map((value, i) => (i < rank ? value : 0)));
  return u.mmul(kept).mmul(v.transpose());
}

it("robust PCA is the package's, with maps that are pictures, also when saved", async () => {
  const page = await open({ search: `${stateSearch(state)}#figure-robust-pca` });
  const rows = await table(page, "robust-pca");
  const { robust, view } = expected;
  expect(rows.get("Rank of the low-rank part; features")).toEqual([view.stats.features, robust.rank]);
  expect(rows.get("Entries of the sparse part that are not 0")?.[1]).toBe(robust.nonzeros);
  expect(rows.get("Iterations")?.[1]).toBe(robust.iterations);
  expect(rows.get("Residual, relative to the matrix")?.[1]).toBeCloseTo(robust.residual, 12);
  expect(rows.get("Singular value 1")?.[1]).toBeCloseTo(robust.singularValues[0] as number, 6);
  expect(rows.has(`Singular value ${robust.rank}`)).toBe(true);

  const colours = () =>
    page.locator("#figure-robust-pca image").evaluateAll((images) =>
      Promise.all(
        images.map(async (image) => {
          const picture = new Image();
          picture.src = image.getAttribute("href") ?? "";
          await picture.decode();
          const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
          context?.drawImage(picture, 0, 0);
          const pixels = context?.getImageData(0, 0, picture.width, picture.height).data.buffer;
          return { size: picture.width, colours: new Set(new Uint32Array(pixels as ArrayBuffer)).size };
        }),
      ),
    );
  const maps = await colours();
  expect(maps.map(({ size }) => size)).toEqual([n, n, n, n]);
  for (const map of maps) expect(map.colours).toBeGreaterThan(20);

  const first = page.locator("#figure-robust-pca image").first();
  const light = await first.getAttribute("href");
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(() => first.getAttribute("href")).not.toBe(light);

  const save = page.locator("#figure-robust-pca .save");
  const coming = page.waitForEvent("download");
  await save.locator("summary").click();
  await save.locator("button", { hasText: "JSON" }).click();
  const json = JSON.parse(await textOf(await (await coming).createReadStream()));
  expect(json.robustPca.singularValues.length).toBe(robust.rank);
  expect(json.robustPca.lowRank).toBeUndefined();
});

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

it("robust PCA of a large head can be cancelled while it runs; of a larger one there is none", async () => {
  const large = { ...state, clusters: { ...state.clusters, tokens: 1024 } };
  const page = await open({ search: `${stateSearch(large)}#figure-robust-pca` });
  const panel = page.locator("#figure-robust-pca");
  await page.waitForFunction(() => {
    const bar = document.querySelector<HTMLProgressElement>("#figure-robust-pca progress");
    return bar && bar.value > 0.01 && bar.value < 1;
  });
  expect(await panel.locator("image").count()).toBe(2);
  await panel.locator(".curve-status button").click();
  await page.waitForSelector('#figure-robust-pca[data-state="stopped"]', { timeout: 5000 });
  expect(await panel.locator("[role=status]").textContent()).toContain("Cancelled.");
  expect(await panel.locator(".curve-status button").textContent()).toBe("Compute");

  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (1101, 1), }`.padEnd(117).concat("\n");
  const npy = Buffer.concat([
    Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0]),
    Buffer.from(header),
    Buffer.alloc(1101 * 4),
  ]);
  await page.setInputFiles("#own-files", { name: "z.npy", mimeType: "", buffer: npy });
  await page.waitForFunction(() => document.querySelector<HTMLSelectElement>("#preset")?.value === "own");
  await panel.locator(".curve-status button").click();
  await page.waitForSelector('#figure-robust-pca[data-state="unavailable"]');
  expect(await panel.locator("[role=status]").textContent()).toContain("1,101 tokens");
  expect(await panel.locator("image").count()).toBe(0);
});
