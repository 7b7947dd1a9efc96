import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import {
  expectClose,
  expectedNumbers,
  numbers,
  open,
  pixels,
  settled,
  stateSearch,
  useBrowser,
  watchFrames,
} from "./harness.ts";

useBrowser();

const LARGE = "dinov2-4097-l09h2";
const range = (page: Page) => page.textContent(".zoom .range");

it("a head of 4,097 tokens is drawn, zoomed and read without a freeze", async () => {
  const page = await open({ search: stateSearch({ preset: "clusters" }) });
  await settled(page);
  const frames = await watchFrames(page);
  await page.selectOption("#preset", LARGE);
  // It takes more than a moment, and says how far it is.
  await page.locator(".maps .progress").waitFor();
  await settled(page);
  const matrices = await page
    .workers()[0]
    ?.evaluate(() => performance.getEntriesByName("matrices").at(-1)?.duration);
  console.log(`The matrices of 4,097 tokens: ${matrices?.toFixed(0)} ms.`);
  expect(await page.textContent("#aggregation")).toMatch(/largest of the \d+–\d+ × \d+–\d+ entries/);
  for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(20);

  const state: State = { ...DEFAULTS, preset: LARGE };
  const middle = await numbers(page);
  expect(middle.query).toBe(2048);
  expectClose(middle, await expectedNumbers(state, 2048, middle.key as number));

  // Down to single entries, in a part that is not kept any more.
  const box = (await page.locator(".map.exact .plate").boundingBox()) as { x: number; y: number };
  await page.mouse.click(box.x + 20, box.y + 2);
  for (let i = 0; i < 9; i++) await page.keyboard.press("+");
  await settled(page);
  await expect.poll(() => range(page)).toMatch(/of 4,097/);
  expect(await page.textContent("#aggregation")).toBe("Every entry has its own pixels.");
  for (const { colours } of await pixels(page)) expect(colours).toBeLessThanOrEqual(64);
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
  const near = await numbers(page);
  const { exact, lowRank, sparse, approximation, error, inSupport } = await expectedNumbers(
    state,
    near.query as number,
    near.key as number,
  );
  expectClose(near, { exact, lowRank, sparse, approximation, error, inSupport });
  expect(await frames.frozen()).toBeLessThan(0.2);
});

it("a large causal head reads its last row, and a change is cancelled", async () => {
  const state = { preset: "smollm2-4096-l12h4", support: "window", features: "favor" } as const;
  const page = await open({ search: stateSearch({ ...state, cell: { query: 4095, key: 4000 } }) });
  await settled(page);
  const found = await numbers(page);
  expectClose(found, await expectedNumbers({ ...DEFAULTS, ...state }, 4095, 4000));
  await page.locator("#temperature").press("ArrowLeft");
  await page.locator(".maps .progress button").click();
  await settled(page);
  expect(await page.textContent("#alert")).toMatch(/Cancelled/);
  expect(await numbers(page)).toEqual(found);
});
