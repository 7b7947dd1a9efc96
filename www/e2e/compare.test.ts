import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { METHODS, questionOf } from "../src/lib/request.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import { decodeState } from "../src/lib/url-state.ts";
import { expectClose, expectedNumbers, open, pixels, settled, stateSearch, useBrowser } from "./harness.ts";

useBrowser();

const out = fileURLToPath(new URL("../test-output/", import.meta.url));
const small: State = {
  ...DEFAULTS,
  preset: "clusters",
  clusters: { ...DEFAULTS.clusters, tokens: 128 },
  cell: { query: 40, key: 101 },
};

/** Until the maps and numbers of both sides are those of the address. */
async function compared(page: Page): Promise<void> {
  await settled(page);
  await page.waitForSelector('#pinned[aria-busy="false"]', { timeout: 30_000 });
}

/** The numbers of one side as the page shows them, in full. */
async function side(page: Page, name: "A" | "B") {
  return page.evaluate(
    ([prefix, column, methods]) => {
      const value = (selector: string) =>
        Number(document.querySelector<HTMLElement>(selector)?.dataset.value ?? Number.NaN);
      const result = (of: string) => value(`[data-result="${of}"] td:nth-child(${column})`);
      return {
        exact: value(`.${prefix}exact .value`),
        lowRank: value(`.${prefix}low-rank-map .value`),
        sparse: value(`.${prefix}sparse-map .value`),
        error: value(`.${prefix}error-map .value`),
        errors: Object.fromEntries((methods as readonly string[]).map((method) => [method, result(method)])),
        supportPerRow: result("support"),
        features: result("features"),
      };
    },
    [name === "A" ? "map." : "pinned-", name === "A" ? 2 : 3, METHODS] as const,
  );
}

async function expected(state: State) {
  const { query, key, approximation, inSupport, entropy, ...rest } = await expectedNumbers(state, 40, 101);
  return rest;
}

const stateOf = (page: Page) => decodeState(new URL(page.url()).search);

describe("comparing", () => {
  it("pins the settings, goes on with others, and has the package's numbers for both", async () => {
    const page = await open({
      search: stateSearch(small),
      prepare: (page) =>
        page.addInitScript(() => {
          const asked: unknown[] = [];
          const post = Worker.prototype.postMessage;
          Worker.prototype.postMessage = function (message, ...rest) {
            if (["picture", "grids"].includes(message?.path?.[0])) asked.push(message);
            post.apply(this, [message, ...rest] as never);
          };
          Object.assign(window, { asked });
        }),
    });
    const pictures = () => page.evaluate(() => (window as unknown as { asked: unknown[] }).asked.length);
    await settled(page);
    expect(await page.locator("#pinned").isVisible()).toBe(false);
    await page.locator("#pin").focus();
    await page.keyboard.press("Enter");
    await compared(page);
    expect(await pictures()).toBe(2);
    expect(await page.textContent(".words")).toMatch(/the same settings so far/);
    expect(await page.locator(".differs").count()).toBe(0);
    expect(stateOf(page).pinned).toEqual(questionOf(small));
    expect(await side(page, "B")).toEqual(await side(page, "A"));

    await page.locator("#budget").focus();
    await page.keyboard.press("End");
    await compared(page);
    await expect.poll(() => stateOf(page).budget).toBe(1);
    const a = await side(page, "A");
    const b = await side(page, "B");
    expectClose(a, await expected({ ...small, budget: 1 }));
    expectClose(b, await expected(small));
    expect(await page.locator(".differs th").allTextContents()).toEqual(["Budget (differs)"]);
    const ratio = (b.errors.scatterbrain as number) / (a.errors.scatterbrain as number);
    const words = (await page.textContent(".words")) as string;
    expect(words).toMatch(/^B has .* times the error of A, with 128 floats per query in A and 16 in B\.$/);
    expect(Number.parseFloat(words.slice(6)) / ratio).toBeCloseTo(1, 1);
    expect(await page.textContent("#go-to-pinned")).toMatch(/^B has .* times the error of A\.$/);
    // What is pinned has been computed once.
    const asked = await pictures();
    await page.locator("#budget").press("ArrowLeft");
    await compared(page);
    await page.waitForTimeout(300);
    expect(await side(page, "A")).not.toEqual(a);
    expect(await side(page, "B")).toEqual(b);
    expect((await pictures()) - asked).toBe(1);
  });

  it("swaps, comes back from the address, and stops", async () => {
    const other: State = { ...small, temperature: 2, support: "window", features: "favor" };
    const page = await open({ search: stateSearch({ ...small, pinned: questionOf(other) }) });
    await compared(page);
    const [a, b] = [await side(page, "A"), await side(page, "B")];
    expectClose(b, await expected(other));
    await page.getByRole("button", { name: "Swap A and B" }).press("Enter");
    await compared(page);
    expect([await side(page, "A"), await side(page, "B")]).toEqual([b, a]);
    expect(stateOf(page)).toEqual({ ...other, pinned: questionOf(small) });
    await page.reload();
    await compared(page);
    expect([await side(page, "A"), await side(page, "B")]).toEqual([b, a]);
    await page.goBack();
    await compared(page);
    expect([await side(page, "A"), await side(page, "B")]).toEqual([a, b]);
    await page.getByRole("button", { name: "Stop comparing" }).press("Enter");
    expect(await page.locator("#pinned").isVisible()).toBe(false);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("pin");
    expect(stateOf(page)).toEqual(small);
    expect((await pixels(page)).length).toBe(4);
    await page.goBack();
    await compared(page);
    expect(await side(page, "B")).toEqual(b);
  });

  it("has one cursor, one view and one colour scale for both, and speaks of both", async () => {
    const pinned = { ...questionOf(small), temperature: 0.5 };
    const page = await open({ search: stateSearch({ ...small, pinned }) });
    await compared(page);
    const texts = (selector: string) => page.locator(selector).allTextContents();
    const legends = async (prefix: string) => [
      await texts(`.${prefix}exact .legend-ticks`),
      await texts(`.${prefix}error-map .legend-ticks`),
    ];
    expect(await legends("pinned-")).toEqual(await legends("map."));
    await page.locator(".pinned-sparse-map .plate").focus();
    for (const key of ["+", "+", "ArrowUp"]) await page.keyboard.press(key);
    await expect.poll(async () => new Set(await texts(".axis.queries")).size).toBe(1);
    expect((await texts(".axis.queries")).length).toBe(8);
    await expect
      .poll(() => stateOf(page))
      .toMatchObject({ cell: { query: 39, key: 101 }, view: { size: 32 } });
    const error = await page.textContent(".pinned-error-map .value");
    await expect
      .poll(() => page.textContent("#live"))
      .toMatch(new RegExp(`^Query 39, key 101, .*In B, the pinned settings, .*error ${error}\\.$`));
    // A pointer over a map of B is one over A.
    const box = (await page.locator(".pinned-exact .plate").boundingBox()) as { x: number; y: number };
    await page.mouse.move(box.x + 2, box.y + 2);
    const { query, key } = stateOf(page).view as { query: number; key: number };
    await expect
      .poll(() => texts("#readout [data-name]"))
      .toEqual(expect.arrayContaining([`query${query}`, `key${key}`]));
  });

  it("goes with another head, with what that can have", async () => {
    const page = await open({ search: stateSearch({ ...small, support: "lsh", pinned: questionOf(small) }) });
    await compared(page);
    await page.selectOption("#preset", "smollm2-l12h4");
    await compared(page);
    expect(await page.textContent(".pinned .replaced")).toMatch(
      /^B has Window instead of SMYRF hashing, which .*FAVOR\+ instead of FAVOR\+, centred/,
    );
    expect(stateOf(page).pinned).toMatchObject({ support: "window", features: "favor" });
    expect(await page.textContent(".pinned-exact .axis.keys")).toMatch(/1,023$/);
    for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(5);
    await page.goBack();
    await compared(page);
    expect(await page.locator(".pinned .replaced").isVisible()).toBe(false);
    expect(stateOf(page).pinned).toEqual(questionOf(small));
  });
});

it.each(["light", "dark"] as const)("fits, and has no accessibility violation: %s", async (colorScheme) => {
  const pinned = { ...questionOf(small), budget: 0.4, features: "taylor-2" } as const;
  const page = await open({ search: stateSearch({ ...small, pinned }), colorScheme });
  await compared(page);
  await page.evaluate(axe.source);
  mkdirSync(out, { recursive: true });
  for (const [width, height] of [
    [1440, 900],
    [768, 1024],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.locator("#pinned").screenshot({ path: `${out}compare-${width}-${colorScheme}.png` });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    // Each map of B is as large as that of A, so that they can be compared by eye.
    const sides = await page
      .locator(".plate")
      .evaluateAll((all) => all.map((plate) => Math.round(plate.getBoundingClientRect().width)));
    expect(new Set(sides).size).toBe(1);
  }
  const { violations } = (await page.evaluate('axe.run("#pinned")')) as axe.AxeResults;
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target)}`)).toEqual([]);
});
