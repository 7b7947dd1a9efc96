import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { DEFAULTS } from "../src/lib/state.ts";
import { numbers, open, pixels, settled, stateSearch, useBrowser, watchFrames } from "./harness.ts";

useBrowser();

const small = { ...DEFAULTS, preset: "clusters", clusters: { ...DEFAULTS.clusters, tokens: 128 } };
const range = (page: Page) => page.textContent(".zoom .range");
const view = (page: Page) => new URL(page.url()).searchParams.get("view");

async function plate(page: Page, map = "exact") {
  const locator = page.locator(`.map.${map} .plate`);
  await locator.scrollIntoViewIfNeeded();
  return (await locator.boundingBox()) as { x: number; y: number; width: number; height: number };
}

describe("zoom", () => {
  it("goes by keys about the cursor to single entries, on all four maps, and back", async () => {
    const page = await open({ search: stateSearch({ ...small, cell: { query: 40, key: 100 } }) });
    await settled(page);
    const whole = await pixels(page);
    await page.locator(".map.sparse-map .plate").focus();
    for (const key of ["+", "+", "=", "+", "+"]) await page.keyboard.press(key);
    await expect.poll(() => range(page)).toMatch(/^Queries \d+–\d+, keys \d+–\d+ of 128$/);
    const labels = await page
      .locator(".axis.queries")
      .evaluateAll((all) => all.map((axis) => axis.textContent));
    expect(new Set(labels).size).toBe(1);
    await expect.poll(() => view(page)).toMatch(/-8$/);
    await settled(page);
    const [query, key] = (view(page) as string).split("-").map(Number) as [number, number];
    expect(query <= 40 && 40 < query + 8 && key <= 100 && 100 < key + 8).toBe(true);
    // Eight by eight squares of one colour each.
    const colours = await page.evaluate(() => {
      const canvas = document.querySelector(".map.exact canvas") as HTMLCanvasElement;
      const { width, height } = canvas;
      const context = new OffscreenCanvas(width, height).getContext("2d");
      context?.drawImage(canvas, 0, 0);
      const data = new Uint32Array(
        context?.getImageData(0, 0, width, height).data.buffer ?? new ArrayBuffer(0),
      );
      const edge = (i: number, side: number) => Math.ceil((i * side) / 8);
      return Array.from({ length: 64 }, (_, at) => {
        const [y, x] = [Math.floor(at / 8), at % 8];
        const seen = new Set<number>();
        for (let i = edge(y, height); i < edge(y + 1, height); i++)
          for (let j = edge(x, width); j < edge(x + 1, width); j++) seen.add(data[i * width + j] as number);
        return seen.size;
      });
    });
    expect(colours).toEqual(Array(64).fill(1));
    // The view follows the cursor over its edge.
    for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowDown");
    expect(await numbers(page)).toMatchObject({ query: 49, key: 100 });
    await expect.poll(() => view(page)).toBe(`42-${key}-8`);
    await page.keyboard.press("Home");
    await expect.poll(() => view(page)).toBe("42-0-8");
    await page.keyboard.press("-");
    await expect.poll(() => view(page)).toMatch(/-16$/);
    await page.keyboard.press("Escape");
    await expect.poll(() => view(page)).toBeNull();
    await page.keyboard.press("Control+End");
    await page.keyboard.press("PageUp");
    await page.evaluate(() => scrollTo(0, 0));
    expect(await pixels(page)).toEqual(whole);
  });

  it("goes by buttons, is in the address, and back and forward", async () => {
    const page = await open({ search: stateSearch({ ...small, cell: { query: 64, key: 64 } }) });
    await settled(page);
    await page.getByRole("button", { name: "Zoom in" }).click();
    await page.getByRole("button", { name: "Zoom in" }).click();
    expect(view(page)).toMatch(/-32$/);
    await settled(page);
    const zoomed = await pixels(page);
    await page.reload();
    await settled(page);
    expect(await pixels(page)).toEqual(zoomed);
    await page.goBack();
    await expect.poll(() => range(page)).toMatch(/of 128/);
    expect(view(page)).toMatch(/-64$/);
    await page.goBack();
    await expect.poll(() => range(page)).toBe("Queries 0–127, keys 0–127");
    await page.goForward();
    await page.goForward();
    await expect.poll(() => pixels(page)).toEqual(zoomed);
    await page.getByRole("button", { name: "Whole" }).click();
    expect(view(page)).toBeNull();
    // Another head has other entries.
    await page.getByRole("button", { name: "Zoom in" }).click();
    await page.selectOption("#preset", "dinov2-l00h2");
    await settled(page);
    expect(view(page)).toBeNull();
  });

  it("is harmless from any address", async () => {
    const page = await open({ search: `${stateSearch(small)}&view=99999-99999-99999` });
    await settled(page);
    expect(await range(page)).toBe("Queries 0–127, keys 0–127");
    await page.goto(page.url().replace(/view=.*/, "view=99999-3-0"));
    await settled(page);
    expect(await range(page)).toBe("Queries 120–127, keys 3–10 of 128");
  });

  it("goes by wheel on a map that has the focus, or with Control, and leaves the page's scrolling alone", async () => {
    const page = await open({ search: stateSearch(small), viewport: { width: 1440, height: 700 } });
    await settled(page);
    const box = await plate(page);
    const before = await page.evaluate(() => scrollY);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.wheel(0, 60);
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(before);
    expect(view(page)).toBeNull();
    const { x, y, width, height } = await plate(page);
    await page.mouse.click(x + width / 4, y + height / 4);
    for (let i = 0; i < 10; i++) await page.mouse.wheel(0, -100);
    await expect.poll(() => view(page)).not.toBeNull();
    // What is under the pointer stays there, to the rounding of whole entries.
    const { query, key } = (await numbers(page)) as { query: number; key: number };
    expect([Math.abs(query - 32) <= 1, Math.abs(key - 32) <= 1]).toEqual([true, true]);
    // One gesture, one step back.
    await page.goBack();
    await expect.poll(() => range(page)).toBe("Queries 0–127, keys 0–127");
  });

  it("moves with a drag, which picks nothing", async () => {
    const search = stateSearch({
      ...small,
      cell: { query: 50, key: 50 },
      view: { query: 40, key: 40, size: 32 },
    });
    const page = await open({ search });
    await settled(page);
    const { x, y, width, height } = await plate(page);
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width / 4, y + height * 0.75, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => view(page)).toBe("32-48-32");
    await page.mouse.move(0, 0);
    expect(await numbers(page)).toMatchObject({ query: 50, key: 50 });
    await page.mouse.click(x + width / 64, y + height / 64);
    await page.mouse.move(0, 0);
    expect(await numbers(page)).toMatchObject({ query: 32, key: 48 });
  });

  it("goes by pinch; one finger scrolls the page until then, and pans after", async () => {
    const page = await open({
      search: stateSearch(small),
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
    await settled(page);
    // Letters of another font, once it is there, move what is below them.
    await page.evaluate(() => document.fonts.ready);
    const { x, y, width, height } = await plate(page);
    const touch = await page.context().newCDPSession(page);
    const send = (type: "touchStart" | "touchMove" | "touchEnd", points: [number, number][]) =>
      touch.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: points.map(([px, py], id) => ({ x: x + px * width, y: y + py * height, id })),
      });
    const action = () =>
      page.locator(".map.exact .plate").evaluate((node) => getComputedStyle(node).touchAction);
    expect(await action()).toBe("pan-y");
    await send("touchStart", [
      [0.4, 0.5],
      [0.6, 0.5],
    ]);
    for (let i = 1; i <= 5; i++)
      await send("touchMove", [
        [0.4 - i * 0.06, 0.5],
        [0.6 + i * 0.06, 0.5],
      ]);
    await send("touchEnd", []);
    await expect.poll(() => range(page)).toMatch(/^Queries 48–79, keys 48–79 /);
    await expect.poll(action).toBe("none");
    await send("touchStart", [[0.5, 0.5]]);
    for (let i = 1; i <= 5; i++) await send("touchMove", [[0.5, 0.5 - i * 0.05]]);
    await send("touchEnd", []);
    await expect.poll(() => range(page)).toMatch(/^Queries 56–87, keys 48–79 /);
  });

  it("never freezes the page at 1,025 tokens", async () => {
    const page = await open();
    await settled(page);
    const frames = await watchFrames(page);
    const { x, y, width, height } = await plate(page);
    await page.mouse.click(x + width / 3, y + height / 3);
    for (let i = 0; i < 20; i++) await page.mouse.wheel(0, -30);
    await page.mouse.down();
    for (let i = 0; i < 20; i++) await page.mouse.move(x + width / 3 + i * 5, y + height / 3 - i * 4);
    await page.mouse.up();
    for (let i = 0; i < 20; i++) await page.mouse.wheel(0, 30);
    expect(await frames.frozen()).toBeLessThan(0.2);
  });
});
