import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { DEFAULTS } from "../src/lib/state.ts";
import { curveDone, expectedNumbers, numbers, open, settled, stateSearch, useBrowser } from "./harness.ts";

useBrowser();

const small = { ...DEFAULTS, preset: "clusters", clusters: { ...DEFAULTS.clusters, tokens: 128 } };
const state = { ...small, cell: { query: 50, key: 60 }, view: { query: 40, key: 48, size: 32 } };

async function save(page: Page, root: string, item: string): Promise<{ name: string; content: Buffer }> {
  await page.locator(`${root} .save summary`).focus();
  await page.keyboard.press("Enter");
  const coming = page.waitForEvent("download");
  await page.locator(`${root} .save button`, { hasText: item }).press("Enter");
  const file = await coming;
  expect(await page.locator(`${root} .save`).getAttribute("open")).toBeNull();
  return { name: file.suggestedFilename(), content: await readFile(await file.path()) };
}

/** Width and height from the header of a PNG. */
function sizeOf(png: Buffer): [number, number] {
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
}

it("maps are saved as they are shown: a picture, and the numbers of the region", async () => {
  const page = await open({ search: stateSearch(state) });
  await settled(page);
  const { name, content } = await save(page, ".map.error-map", "JSON");
  expect(name).toBe("clusters-t1-error-q40-71-k48-79.json");
  const data = JSON.parse(content.toString());
  expect([data.map, data.queries, data.keys, data.shape]).toEqual(["error", [40, 71], [48, 79], [32, 32]]);
  const { error } = await expectedNumbers(small, 50, 60);
  expect(data.entries[10][12]).toBeCloseTo(error, 7);
  expect(data.entries[10][12]).toBeCloseTo((await numbers(page)).error as number, 7);

  const picture = await save(page, ".map.exact", "PNG");
  expect(picture.name).toBe("clusters-t1-exact-q40-71-k48-79.png");
  const [width, height] = sizeOf(picture.content);
  const side = await page.locator(".map.exact canvas").evaluate((node) => (node as HTMLCanvasElement).width);
  expect(width).toBe(side + 24);
  // Title, range and legend.
  expect(height).toBeGreaterThan(side + 100);
});

it("the curve is saved as a drawing, a picture, a table and numbers", async () => {
  const page = await open({ search: stateSearch(small) });
  await settled(page);
  await curveDone(page);
  const svg = await save(page, "#curve", "SVG");
  expect(svg.name).toBe("clusters-curve.svg");
  const text = svg.content.toString();
  expect(text).toMatch(/^<svg[^>]* width="\d+"/);
  expect(text).toContain("Scatterbrain");
  expect(text).not.toContain("var(--");
  const [width] = sizeOf((await save(page, "#curve", "PNG")).content);
  expect(width).toBeGreaterThan(400);
  const csv = (await save(page, "#curve", "CSV")).content.toString().trim().split("\n");
  expect(csv.length).toBe(34);
  const json = JSON.parse((await save(page, "#curve", "JSON")).content.toString());
  const middle = json.points[16];
  expect(csv[17]?.split(",").map(Number)).toEqual([
    1,
    middle.errors.sparse,
    middle.errors["low-rank"],
    middle.errors.scatterbrain,
    middle.entropy,
  ]);
});

it("an entry is explained where it is clicked, and on Enter in words", async () => {
  const page = await open({ search: stateSearch(state) });
  await settled(page);
  const step = async (name: string) =>
    Number(await page.locator(`#explained [data-step="${name}"] dd`).getAttribute("data-value"));
  const found = await numbers(page);
  expect(await step("exact")).toBe(found.exact);
  expect(await step("error")).toBe(found.error);
  expect(await step("low-rank")).toBe(found.lowRank);
  expect(await step("logit")).toBeCloseTo(await step("dot"), 6);
  await page.locator(".map.exact .plate").focus();
  await page.keyboard.press("ArrowRight");
  expect((await numbers(page)).exact).not.toBe(found.exact);
  expect(await step("exact")).toBe((await numbers(page)).exact);
  await page.keyboard.press("Enter");
  await expect
    .poll(() => page.textContent("#live"))
    .toMatch(/^Query 50, key 61: q times k is .*the estimate has .*error/);
});
