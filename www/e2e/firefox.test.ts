import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { DEFAULTS } from "../src/lib/state.ts";
import { decodeState } from "../src/lib/url-state.ts";
import { Firefox } from "./firefox.ts";
import { expectClose, expectedNumbers, numbers } from "./harness.ts";

let firefox: Firefox;

beforeAll(async () => {
  firefox = await Firefox.launch();
});

afterAll(() => firefox?.close());

async function settled(): Promise<void> {
  const rests = () => firefox.evaluate(() => document.querySelector('#maps[aria-busy="false"]') !== null);
  await expect.poll(rests, { timeout: 30_000, interval: 100 }).toBe(true);
}

it("the page's numbers are the package's in Firefox too", async () => {
  await firefox.goto(`${inject("page")}?v=1`);
  await settled();
  const first = await numbers(firefox);
  expectClose(first, await expectedNumbers(DEFAULTS, first.query as number, first.key as number));

  await firefox.evaluate(() => document.querySelector<HTMLInputElement>("#temperature-number")?.select());
  await firefox.type("0.5");
  await settled();
  await expect.poll(() => firefox.evaluate(() => location.search)).toContain("t=0.5");
  const state = decodeState(await firefox.evaluate(() => location.search));
  const second = await numbers(firefox);
  expect(second.entropy).toBeLessThan(first.entropy as number);
  expectClose(second, await expectedNumbers(state, second.query as number, second.key as number));

  // And the page is kept for when there is no network.
  const worker = await firefox.evaluate(async () => (await navigator.serviceWorker.ready).active?.scriptURL);
  expect(worker).toBe(`${inject("page")}service-worker.js`);
  expect(firefox.faults).toEqual([]);
});
