import type { Page } from "playwright-core";
import { load } from "scatterbrain-attention";
import { expect, it } from "vitest";
import { commonOptions } from "../src/lib/request.ts";
import { DEFAULTS } from "../src/lib/state.ts";
import { curveDone, headOf, open, settled, useBrowser } from "./harness.ts";

useBrowser();

const STEPS = 15;

/** Notes when a slider moved and when the last map of the picture that followed was on the screen. */
function watch(): void {
  let input = 0;
  let maps = 0;
  const times: number[] = [];
  addEventListener(
    "input",
    (event) => {
      input = event.timeStamp;
      maps = 0;
    },
    true,
  );
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...args: unknown[]) {
    put.apply(this, args as Parameters<typeof put>);
    maps++;
    if (maps !== 4 || input === 0) return;
    const since = input;
    // The frame is on its way to the screen when the task after it runs.
    requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - since)));
  };
  Object.assign(window, { times });
}

async function steps(page: Page, key: string): Promise<number[]> {
  await page.locator("#temperature").focus();
  for (let i = 0; i < STEPS; i++) {
    await page.keyboard.press(key);
    await page.waitForFunction(
      (count) => (window as unknown as { times: number[] }).times.length === count,
      i + 1,
    );
    await settled(page);
  }
  return page.evaluate(() => (window as unknown as { times: number[] }).times.splice(0));
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;

/** Times depend on the machine: they are told, and only held against what would be a fault on any. */
it("tells how long a slider takes to become a picture at 1,025 tokens", { timeout: 180_000 }, async () => {
  const page = await open({ prepare: (page) => page.addInitScript(watch) });
  await settled(page);
  // While the curve is computed, then alone.
  const beside = median(await steps(page, "ArrowLeft"));
  await curveDone(page);
  const alone = median(await steps(page, "ArrowLeft"));

  const sb = await load();
  const options = { ...commonOptions(DEFAULTS, headOf(DEFAULTS)), method: "scatterbrain" as const };
  const computing: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const { stats } = await sb.decompose({ ...options, temperature: 1 - i / 100 });
    computing.push(stats.milliseconds);
  }
  sb.dispose();
  const text = (milliseconds: number) => `${milliseconds.toFixed(0)} ms`;
  console.log(
    `Slider to picture, median of ${STEPS}: ${text(alone)}, with the curve under way ${text(beside)}; ` +
      `the matrices alone, in Node: ${text(median(computing))}`,
  );
  expect(alone).toBeLessThan(1000);
});
