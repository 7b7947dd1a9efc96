import axe from "axe-core";
import type { Page } from "playwright-core";
import { load } from "scatterbrain-attention";
import { describe, expect, it } from "vitest";
import { commonOptions } from "../src/lib/request.ts";
import { STORY, type StoryStep } from "../src/lib/state.ts";
import { STEPS, stateOf } from "../src/lib/story.ts";
import { curvePoint } from "../src/worker/analyse.ts";
import { headOf, numbers, open, pixels, settled, useBrowser } from "./harness.ts";

useBrowser();

/** The page at a step, with its numbers, once nothing moves any more. */
async function at(page: Page, step: StoryStep, temperature = stateOf(step).temperature) {
  await page.waitForSelector(`#story-card [data-step="${step}"]:not([hidden])`);
  await expect.poll(() => page.inputValue("#temperature-number")).toBe(String(temperature));
  await settled(page);
  return numbers(page);
}

const current = (page: Page) => page.locator('#story-steps [aria-current="step"]').allTextContents();

describe("the story", () => {
  it("opens with its picture before the WebAssembly is there", async () => {
    const page = await open({
      search: "",
      prepare: (page) => page.route("**/*.{wasm,safetensors}", () => {}),
    });
    await expect
      .poll(async () => (await pixels(page)).map(({ colours }) => colours > 20))
      .toEqual([true, true, true, true]);
    expect(await current(page)).toEqual(["1"]);
    expect(await page.locator("#maps.example").count()).toBe(0);
    expect(await page.isVisible("#controls")).toBe(false);
    // All of this without scrolling, on a laptop's screen too.
    for (const [width, height] of [
      [1440, 900],
      [1366, 768],
    ] as const) {
      await page.setViewportSize({ width, height });
      for (const part of ["#temperature", ".map.error-map .plate", "#story-next", "#errors"]) {
        const box = await page.locator(part).boundingBox();
        expect((box?.y ?? height) + (box?.height ?? 0)).toBeLessThan(height);
      }
    }
  });

  it("is walked to its end and back, and every step shows what it says", async () => {
    const page = await open({ search: "", reducedMotion: "reduce" });
    await at(page, "matrix");
    const bars = (name: string) =>
      page.locator(`#story-meter [data-name="${name}"] dd`).getAttribute("data-value").then(Number);
    for (const step of STORY.slice(1)) {
      await page.click("#story-next");
      const { errors } = await at(page, step);
      await expect.poll(() => new URL(page.url()).search).toBe(`?v=1&step=${step}`);
      expect(await page.locator("#story-card h3:visible").textContent()).toBe(STEPS[step].title);
      if (STEPS[step].meter === "errors") {
        for (const [name, error] of Object.entries(errors)) expect(await bars(name)).toBe(error);
      } else expect(await bars("keys")).toBeGreaterThan(0.5);
      if (step === "sharp")
        expect(100 * (errors.sparse as number)).toBeLessThan(errors["low-rank"] as number);
      if (step === "flat") expect(100 * (errors["low-rank"] as number)).toBeLessThan(errors.sparse as number);
    }
    const cells = STEPS.sum.tries.map(({ label }) => page.getByRole("button", { name: label }));
    for (const [i, inSupport] of ["true", "false"].entries()) {
      await cells[i]?.click();
      const entry = await numbers(page);
      expect(entry.inSupport).toBe(inSupport);
      // On the support a weight is right but for the sum of its row; outside, it is what the feature map says.
      if (inSupport === "true") expect(entry.approximation).toBeCloseTo(entry.exact as number, 2);
      else expect([entry.sparse, entry.approximation]).toEqual([0, entry.lowRank]);
    }
    await page.click("#story-next");
    expect(await page.isVisible("#controls")).toBe(true);
    expect(await page.isVisible("#story-card")).toBe(false);
    expect(await page.inputValue("#support")).toBe("clusters");
    for (const step of [...STORY].reverse()) {
      await page.goBack();
      await page.waitForSelector(`#story-card [data-step="${step}"]:not([hidden])`);
    }
    await at(page, "matrix");
  });

  it("goes by keys, keeps the focus and says where it is", async () => {
    const page = await open({ search: "?v=1&step=middle", reducedMotion: "reduce" });
    await at(page, "middle");
    const focused = () => page.evaluate("document.activeElement.id || document.activeElement.textContent");
    await page.locator("#story-next").focus();
    await page.keyboard.press("Enter");
    await at(page, "sum");
    expect(await focused()).toBe("story-next");
    expect(await page.textContent("#story-live")).toBe("Step 6 of 6: The sum of both.");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#controls", { state: "visible" });
    expect(await focused()).toBe("story-leave");
    expect(await page.getAttribute("#story-leave", "aria-current")).toBe("true");
    await page.locator("#story-steps a").first().focus();
    await page.keyboard.press("Enter");
    await at(page, "matrix");
    expect(await page.getAttribute("#story-back", "aria-disabled")).toBe("true");
    await page.keyboard.press("ArrowRight");
    await at(page, "temperature");
    expect(await focused()).toBe("2");
    expect(await current(page)).toEqual(["2"]);
  });

  it("moves the temperature under the reader's eyes, and lets go of it", async () => {
    const page = await open({ search: "?v=1&step=sharp" });
    await at(page, "sharp");
    const seen = page.evaluate(
      () =>
        new Promise<number[]>((done) => {
          const slider = document.querySelector<HTMLInputElement>("#temperature");
          const places: number[] = [];
          const note = () => {
            places.push(Number(slider?.value));
            if (places.at(-1) === 1) done(places);
            else requestAnimationFrame(note);
          };
          note();
        }),
    );
    await page.click("#story-next");
    const places = await seen;
    expect(new Set(places).size).toBeGreaterThan(5);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    await at(page, "flat");
    await expect.poll(() => new URL(page.url()).search).toBe("?v=1&step=flat");

    // A step that was passed in a hurry is itself when one comes back to it.
    await page.click("#story-next");
    await page.click("#story-next");
    await page.goBack();
    await at(page, "middle");
    await page.goBack();
    await at(page, "flat");

    await page.getByRole("button", { name: "Lower it" }).click();
    await page.locator("#temperature").press("End");
    await at(page, "flat", 100);
    await page.reload();
    await at(page, "flat", 100);
    await page.goBack();
    await at(page, "sharp");
  });

  it.each([
    { width: 1440, height: 900, colorScheme: "light" },
    { width: 390, height: 844, colorScheme: "dark" },
  ] as const)("has no accessibility violation at $width, $colorScheme", async (look) => {
    const page = await open({ search: "?v=1&step=sum", viewport: look, colorScheme: look.colorScheme });
    await at(page, "sum");
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    // Through the debugger: the page's own policy forbids injected scripts.
    await page.evaluate(axe.source);
    const results = (await page.evaluate("axe.run()")) as axe.AxeResults;
    expect(results.violations.map(({ id, nodes }) => [id, ...nodes.map(({ target }) => target)])).toEqual([]);
  });
});

/** The texts speak of these numbers. */
it("says what the package computes", async () => {
  const sb = await load();
  const state = stateOf("sharp");
  const head = headOf(state);
  const look = (temperature: number) => curvePoint(sb, head, state, temperature);
  const [sharp, middle, trained, flat] = [await look(0.1), await look(0.5), await look(1), await look(10)];

  // A query's weight is on a key or two, or nearly the same for all.
  expect(Math.exp(sharp.entropy)).toBeLessThan(2);
  expect(Math.exp(flat.entropy)).toBeGreaterThan(0.98 * head.tokens);
  expect(sharp.errors.sparse).toBeLessThan(0.01);
  expect(sharp.errors["low-rank"]).toBeGreaterThan(0.9);
  expect(trained.errors.sparse).toBeGreaterThan(0.5);
  expect(flat.errors.sparse).toBeGreaterThan(1);
  expect(flat.errors["low-rank"]).toBeLessThan(0.02);
  // Each is off by a third, the sum by a quarter of that.
  for (const part of ["sparse", "low-rank"] as const) {
    expect(Math.abs(middle.errors[part] - 1 / 3)).toBeLessThan(0.04);
    expect(middle.errors.scatterbrain).toBeLessThan(middle.errors[part] / 4);
  }

  const { support, features, ...options } = commonOptions(state, head);
  const sparse = await sb.attention({ ...options, support, method: "sparse", temperature: 0.1 });
  expect(sparse.stats.supportEntries / head.tokens).toBeLessThanOrEqual(head.tokens / 8);
  const lowRank = await sb.attention({ ...options, features, method: "low-rank", temperature: 10 });
  expect(lowRank.stats.features).toBeLessThanOrEqual(128);
  sb.dispose();
});
