import { load } from "scatterbrain-attention";
import { describe, expect, it } from "vitest";
import { FEATURES_LABELS } from "../src/lib/combinations.ts";
import { PRESETS } from "../src/lib/presets.ts";
import { DEFAULTS, FEATURES, reconcile, type State, SUPPORTS } from "../src/lib/state.ts";
import { decodeState } from "../src/lib/url-state.ts";
import { curvePoint } from "../src/worker/analyse.ts";
import {
  curveDone,
  expectClose,
  expectedNumbers,
  headOf,
  numbers,
  numbersNow,
  open,
  pixels,
  settled,
  stateSearch,
  useBrowser,
} from "./harness.ts";

useBrowser();

describe("the picture", () => {
  it("is there before the WebAssembly is", async () => {
    const page = await open({
      search: "",
      prepare: (page) => page.route("**/*.{wasm,safetensors}", () => {}),
    });
    await expect
      .poll(async () => (await pixels(page)).map(({ colours }) => colours > 20))
      .toEqual([true, true, true, true]);
    const { errors, entropy, exact } = await numbersNow(page);
    expect(errors.scatterbrain).toBeLessThan(errors.sparse as number);
    expect(entropy).toBeGreaterThan(1);
    // Single entries cannot be read from a poster, and are not made up.
    expect(exact).toBeNull();
    await expect.poll(() => page.locator("#curve path").count()).toBeGreaterThan(3);
  });

  it("of an address with other settings is marked as an example until then", async () => {
    const page = await open({
      search: "?v=1&head=dinov2-l00h2",
      prepare: (page) => page.route("**/*.wasm", () => {}),
    });
    await page.waitForSelector("#maps.example");
    expect(await page.locator("#errors dd").count()).toBe(0);
  });

  it("of every preset is not blank, and its numbers are the package's", async () => {
    const page = await open();
    // The large ones have tests of their own.
    for (const { id } of PRESETS.filter(({ tokens = 0 }) => tokens < 2000)) {
      await page.selectOption("#preset", id);
      await settled(page);
      for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(5);
      const { state } = reconcile(decodeState(new URL(page.url()).search));
      expect(state.preset).toBe(id);
      const found = await numbers(page);
      expectClose(found, await expectedNumbers(state, found.query as number, found.key as number));
    }
  });

  it("has the package's numbers for every support and feature map", async () => {
    const small = { tokens: 128, clusters: 6, spread: 0.6, dim: 16, seed: 2 };
    const page = await open({ search: "?v=1" });
    const combinations = [
      ...SUPPORTS.map((support) => ({ support, features: "favor" as const })),
      ...FEATURES.map((features) => ({
        support: features === "landmarks" ? ("clusters" as const) : ("smyrf" as const),
        features,
      })),
    ];
    for (const combination of combinations) {
      const state: State = {
        ...DEFAULTS,
        ...combination,
        preset: "clusters",
        clusters: small,
        temperature: 0.2,
        cell: { query: 60, key: 57 },
      };
      await page.goto(new URL(stateSearch(state), page.url()).href);
      await settled(page);
      expectClose(await numbers(page), await expectedNumbers(state, 60, 57));
    }
  });

  it("offers a split only where there is one", async () => {
    const page = await open({
      search: stateSearch({ ...DEFAULTS, support: "clusters", features: "landmarks" }),
    });
    await settled(page);
    expect(await page.locator("#split").isDisabled()).toBe(true);
    expect(await page.textContent("#split-note")).toMatch(/query by query/);
    await page.selectOption("#features", "favor");
    await settled(page);
    expect(await page.locator("#split").isDisabled()).toBe(false);
  });

  it("disables what a causal head cannot have, says why, and replaces it", async () => {
    const page = await open();
    await settled(page);
    await page.selectOption("#preset", "smollm2-l12h4");
    await settled(page);
    const disabled = await page
      .locator("#support option:disabled, #features option:disabled")
      .allTextContents();
    expect(disabled.map((text) => text.split(": ")[0])).toEqual([
      "SMYRF hashing",
      FEATURES_LABELS.landmarks,
      FEATURES_LABELS["favor-centred"],
      FEATURES_LABELS.optimal,
    ]);
    // Landmarks are not the causal head's fault: they go with no support but clusters.
    expect(disabled.every((text) => /future|choose those as the support/.test(text))).toBe(true);
    expect(await page.inputValue("#support")).toBe("window");
    expect(await page.textContent("#support-note")).toMatch(/Instead of SMYRF/);
    expect(await page.textContent("#features-note")).toMatch(/Instead of FAVOR\+, centred/);
    expect(await page.locator("#alert").isVisible()).toBe(false);
    // Above the diagonal there is nothing, in words too.
    await page.locator(".map.exact .plate").focus();
    await page.keyboard.press("End");
    await expect.poll(() => page.textContent("#readout")).toMatch(/future/);
  });

  it("says when a feature map does not fit the budget", async () => {
    const page = await open({ search: "?v=1&head=clusters&n=64&clusters=4&dim=16&features=taylor-2" });
    await settled(page);
    expect(await page.textContent("#over-budget")).toMatch(/153 features, the budget is 8 floats/);
  });
});

describe("the curve", () => {
  it("has three methods, the package's numbers, and a table", async () => {
    const page = await open({ search: "?v=1&head=clusters&n=256&features=favor" });
    await settled(page);
    await curveDone(page);
    const strokes = await page
      .locator('#curve [aria-label="line"] path')
      .evaluateAll((paths) => paths.map((path) => path.closest("[stroke]")?.getAttribute("stroke")));
    expect(strokes).toEqual(["var(--sparse)", "var(--low-rank)", "var(--both)", "var(--ink)"]);
    const rows = await page
      .locator(".curve-table tbody tr")
      .evaluateAll((trs) =>
        trs.map((tr) => [
          Number((tr as HTMLElement).dataset.temperature),
          ...[...tr.querySelectorAll("td")].map((td) => Number(td.dataset.value)),
        ]),
      );
    expect(rows.length).toBe(33);
    const state: State = {
      ...DEFAULTS,
      preset: "clusters",
      features: "favor",
      clusters: { ...DEFAULTS.clusters, tokens: 256 },
    };
    const sb = await load();
    for (const [temperature, sparse, lowRank, scatterbrain, entropy] of rows as number[][]) {
      const point = await curvePoint(sb, headOf(state), state, temperature as number);
      expectClose(
        { sparse, "low-rank": lowRank, scatterbrain, entropy },
        { ...point.errors, entropy: point.entropy },
      );
    }
    sb.dispose();
    // The current temperature is marked in the table and is the picture's.
    const current = page.locator(".curve-table tr[aria-current]");
    expect(await current.getAttribute("data-temperature")).toBe("1");
  });

  it("sets the temperature where it is clicked and dragged", async () => {
    const page = await open({ search: "?v=1&head=clusters&n=128" });
    await settled(page);
    await curveDone(page);
    await page.locator(".curve-plots").scrollIntoViewIfNeeded();
    const box = (await page.locator(".curve-plots").boundingBox()) as {
      x: number;
      y: number;
      width: number;
      height: number;
    };
    // The axis runs from 48 pixels to 10 before the end, from 0.01 to 100: its middle is 1.
    const at = (temperature: number) => box.x + 48 + (box.width - 58) * (Math.log10(temperature / 0.01) / 4);
    await page.mouse.click(at(10), box.y + 60);
    await settled(page);
    expect(Number(await page.inputValue("#temperature-number"))).toBeCloseTo(10, 0);
    await page.mouse.move(at(10), box.y + 60);
    await page.mouse.down();
    await page.mouse.move(at(1), box.y + 60, { steps: 4 });
    await page.mouse.move(at(0.1), box.y + 60, { steps: 4 });
    await page.mouse.up();
    await settled(page);
    expect(Number(await page.inputValue("#temperature-number"))).toBeCloseTo(0.1, 2);
  });

  it("can be cancelled and continued", async () => {
    const page = await open({ search: "?v=1&head=dinov2-l09h2" });
    await page.locator("#curve button", { hasText: "Cancel" }).click({ timeout: 30_000 });
    await page.locator("#curve", { hasText: "Stopped at" }).waitFor();
    const before = await page.locator(".curve-table tbody tr").count();
    expect(before).toBeLessThan(33);
    await page.locator("#curve button", { hasText: "Continue" }).click();
    await curveDone(page);
    expect(await page.locator(".curve-table tbody tr").count()).toBe(33);
  });
});
