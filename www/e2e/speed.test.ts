import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { curveDone, open, settled, useBrowser } from "./harness.ts";

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
    // The maps are painted in an animation frame, which is on its way to the screen when the next task runs.
    setTimeout(() => times.push(performance.now() - since));
  };
  Object.assign(window, { times });
}

interface Medians {
  /** From the event of the slider until the maps are painted. */
  latency: number;
  /** Of that, the package's call for the matrices. */
  matrices: number;
}

async function steps(page: Page): Promise<Medians> {
  const [worker] = page.workers();
  if (!worker) throw new Error("The page has no worker");
  await worker.evaluate(() => performance.clearMeasures());
  await page.locator("#temperature").focus();
  for (let i = 1; i <= STEPS; i++) {
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction(
      (count) => (window as unknown as { times: number[] }).times.length === count,
      i,
    );
    await settled(page);
  }
  const latencies = await page.evaluate(() => (window as unknown as { times: number[] }).times.splice(0));
  const matrices = await worker.evaluate(() =>
    performance.getEntriesByName("matrices").map(({ duration }) => duration),
  );
  return { latency: median(latencies), matrices: median(matrices) };
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;

/** Times depend on the machine: they are told, and only held against what would be a fault on any. */
it("tells how long a slider takes to become a picture at 1,025 tokens", { timeout: 180_000 }, async () => {
  const page = await open({ prepare: (page) => page.addInitScript(watch) });
  await settled(page);
  const beside = await steps(page);
  await curveDone(page);
  const alone = await steps(page);
  const text = ({ latency, matrices }: Medians) =>
    `${latency.toFixed(0)} ms, the matrices in it ${matrices.toFixed(0)} ms`;
  console.log(`Slider to picture: ${text(alone)}. With the curve under way: ${text(beside)}.`);
  expect(alone.latency).toBeLessThan(1000);
});
