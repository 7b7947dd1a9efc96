import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { load } from "scatterbrain-attention";
import { expect, it } from "vitest";
import type { FigureId } from "../src/figures/figure.ts";
import { mostEntropy } from "../src/figures/heads/bands.ts";
import { TEMPERATURES } from "../src/figures/heads/data.ts";
import { computeSeeds } from "../src/figures/seeds/compute.ts";
import type { SeedsData } from "../src/figures/seeds/data.ts";
import { nearestParts } from "../src/lib/combinations.ts";
import { presetById } from "../src/lib/presets.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import { curvePoint } from "../src/worker/analyse.ts";
import { expectClose, headOf, open, settled, stateSearch, useBrowser } from "./harness.ts";

useBrowser();

const small: State = {
  ...DEFAULTS,
  preset: "clusters",
  clusters: { ...DEFAULTS.clusters, tokens: 64, dim: 16 },
};

const shows = (page: Page, figure: FigureId, state: string) =>
  page.waitForSelector(`#figure-${figure}[data-state="${state}"]`, { timeout: 45_000 });

async function openFigure(figure: FigureId, state: State): Promise<Page> {
  const page = await open({ search: `${stateSearch(state)}#figure-${figure}` });
  await settled(page);
  return page;
}

/** The table's rows: what the first column says, and the numbers of the others, by column. */
async function table(page: Page, figure: FigureId): Promise<Map<string, number>[]> {
  return page
    .locator(`#figure-${figure} table`)
    .evaluate((node) => {
      const names = [...node.querySelectorAll("thead th")].map((cell) => cell.textContent ?? "");
      return [...node.querySelectorAll("tbody tr")].map(
        (row) =>
          [...row.children].map((cell, i) => [
            names[i],
            i === 0 ? cell.textContent : Number((cell as HTMLElement).dataset.value),
          ]) as [string, number][],
      );
    })
    .then((rows) => rows.map((row) => new Map(row)));
}

const finding = (page: Page, figure: FigureId) => page.textContent(`#figure-${figure} .finding`);

it("error against budget: the package's numbers, in the file too; stale with other settings, not with a cell", async () => {
  const page = await openFigure("budget", small);
  await shows(page, "budget", "done");
  const rows = await table(page, "budget");
  expect(rows.length).toBe(9);
  const row = rows.find((one) => Number(one.get("Budget")) === 0.125);
  const sb = await load();
  const { errors } = await curvePoint(sb, headOf(small), small, 1);
  sb.dispose();
  expectClose(
    { sparse: row?.get("Sparse alone"), lowRank: row?.get("Low rank alone"), both: row?.get("Scatterbrain") },
    { sparse: errors.sparse, lowRank: errors["low-rank"], both: errors.scatterbrain },
  );

  await page.locator("#figure-budget .save summary").click();
  const coming = page.waitForEvent("download");
  await page.locator("#figure-budget .save button", { hasText: "CSV" }).click();
  const file = await coming;
  expect(file.suggestedFilename()).toBe("clusters-budget.csv");
  const lines = (await readFile(await file.path(), "utf8")).trim().split("\n");
  expect(lines[0]?.split(",").slice(0, 4)).toEqual([
    "Budget",
    "Sparse alone",
    "Low rank alone",
    "Scatterbrain",
  ]);
  expect(lines[6]?.split(",").map(Number)[3]).toBe(row?.get("Scatterbrain"));

  await page.locator(".map.exact .plate").focus();
  await page.keyboard.press("ArrowDown");
  await shows(page, "budget", "done");
  await page.locator("#seed").fill("7");
  await page.locator("#seed").press("Enter");
  await shows(page, "budget", "stale");
});

it("all heads by entropy: points as they come, of the package; cancelled, a part stays a part", async () => {
  const state = { ...DEFAULTS, budget: 0.05 };
  const page = await openFigure("heads", state);
  // The first temperature of all eleven, and the beginning of the next.
  await expect.poll(async () => (await table(page, "heads")).length, { timeout: 30_000 }).toBeGreaterThan(11);
  await page.locator("#figure-heads button", { hasText: "Cancel" }).click();
  await shows(page, "heads", "stopped");
  const rows = await table(page, "heads");
  expect(rows.length).toBeLessThan(11 * TEMPERATURES.length);
  const entropies = rows.map((row) => row.get("Entropy, share") as number);
  expect(entropies).toEqual([...entropies].sort((a, b) => a - b));

  const sb = await load();
  for (const preset of ["dinov2-l06h2", "smollm2-l05h0"]) {
    const head = headOf({ ...state, preset });
    const { parts } = nearestParts(state, head.causal);
    const point = await curvePoint(sb, head, { ...state, ...parts }, 1);
    const row = rows.find(
      (one) => `${one.get("Head")}` === presetById(preset).label && one.get("Temperature") === 1,
    );
    expectClose(
      {
        entropy: row?.get("Entropy, share"),
        both: row?.get("Scatterbrain"),
        sparse: row?.get("Sparse alone"),
      },
      {
        entropy: point.entropy / mostEntropy(head.tokens, head.causal),
        both: point.errors.scatterbrain,
        sparse: point.errors.sparse,
      },
    );
  }
  sb.dispose();
  expect(await finding(page, "heads")).toMatch(/Causal heads have Window in place of SMYRF hashing/);

  // A change that has nothing to do with it, and back from one that has.
  await page.locator(".map.exact .plate").focus();
  await page.keyboard.press("ArrowDown");
  await shows(page, "heads", "stopped");
  await page.locator("#seed").fill("7");
  await page.locator("#seed").press("Enter");
  await shows(page, "heads", "stale");
  await page.goBack();
  await shows(page, "heads", "stopped");
});

it("time and memory by length: exact attention streams, so its memory grows as n does", async () => {
  const page = await openFigure("scaling", { ...small, budget: 0.02 });
  await shows(page, "scaling", "done");
  const rows = await table(page, "scaling");
  expect(rows.map((row) => row.get("Tokens"))).toEqual(["256", "512", "1024", "2048", "4096", "8192"]);
  const exact = rows.map((row) => row.get("Exact, bytes") as number).filter((bytes) => bytes > 0);
  expect(exact.length).toBeGreaterThan(3);
  for (const [i, bytes] of exact.slice(1).entries()) {
    expect(bytes / (exact[i] as number)).toBeGreaterThan(1.7);
    expect(bytes / (exact[i] as number)).toBeLessThan(2.05);
  }
  for (const row of rows.slice(0, 4)) expect(row.get("Scatterbrain, ms")).toBeGreaterThan(0);
  expect(await finding(page, "scaling")).toMatch(/^Time grows as n to the [\d.]+ for exact attention/);
});

it("the mean over seeds: unbiased features converge as they should, others say that they do not", async () => {
  const state: State = { ...small, budget: 0.5, temperature: 2, cell: { query: 5, key: 9 } };
  const page = await openFigure("seeds", state);
  await shows(page, "seeds", "done");
  const rows = await table(page, "seeds");
  const sb = await load();
  let expected: SeedsData | undefined;
  const { signal } = new AbortController();
  await computeSeeds(
    {
      ...{ sb, question: state, captured: [], cell: state.cell, signal },
      source: { kind: "clusters", ...state.clusters },
      step: (work) => work(signal),
    },
    async (data) => {
      expected = data ?? expected;
    },
  );
  sb.dispose();
  expect(rows.length).toBe(11);
  for (const [i, { row, predicted }] of (expected?.convergence ?? []).entries()) {
    expect((rows[i]?.get("Row") as number) / row).toBeCloseTo(1, 2);
    expect((rows[i]?.get("Row, by the formula") as number) / predicted).toBeCloseTo(1, 5);
  }
  const [alone, all] = [rows[0]?.get("Row") as number, rows[10]?.get("Row") as number];
  expect(all).toBeLessThan(alone / 10);
  const said = (await finding(page, "seeds")) ?? "";
  expect(said).toMatch(/^Query 5, /);
  expect(Number(/to the −([\d.]+)/.exec(said)?.[1])).toBeCloseTo(0.5, 1);

  await page.locator("#features").selectOption("elu");
  await shows(page, "seeds", "stale");
  await page.locator("#figure-seeds button", { hasText: "Compute again" }).click();
  await shows(page, "seeds", "unavailable");
  expect(await page.textContent("#figure-seeds [role=status]")).toContain("biased");
  expect(await page.locator("#figure-seeds svg").count()).toBe(0);
});
