import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { describe, expect, it } from "vitest";
import { curveDone, open, pixels, settled, useBrowser } from "./harness.ts";

useBrowser();

const out = fileURLToPath(new URL("../test-output/", import.meta.url));

/** A full desktop, a tablet and a phone. */
const SIZES = [
  { width: 1440, height: 900, deviceScaleFactor: 1 },
  { width: 768, height: 1024, deviceScaleFactor: 1 },
  { width: 390, height: 844, deviceScaleFactor: 2 },
];

describe.each(["light", "dark"] as const)("%s", (colorScheme) => {
  it.each(SIZES)(
    "$width wide: fits, and has no accessibility violation",
    async ({ width, height, deviceScaleFactor }) => {
      const page = await open({ colorScheme, viewport: { width, height }, deviceScaleFactor });
      await settled(page);
      await curveDone(page);
      mkdirSync(out, { recursive: true });
      await page.screenshot({ path: `${out}${width}-${colorScheme}.png`, fullPage: true });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);

      // Everything that can be unfolded counts too.
      await page.locator("details").evaluateAll((all) => {
        for (const details of all) (details as HTMLDetailsElement).open = true;
      });
      // Through the debugger: the page's own policy forbids injected scripts.
      await page.evaluate(axe.source);
      const results = (await page.evaluate("axe.run()")) as axe.AxeResults;
      const violations = results.violations.map(
        ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target).join(" | ")}`,
      );
      expect(violations).toEqual([]);
    },
  );
});

describe("theme", () => {
  const background = "getComputedStyle(document.documentElement).backgroundColor";

  it("follows the system, can be chosen, and is remembered", async () => {
    const page = await open({ colorScheme: "dark" });
    await settled(page);
    const dark = await page.evaluate(background);
    const darkPixels = await pixels(page);
    await page.emulateMedia({ colorScheme: "light" });
    const light = await page.evaluate(background);
    expect(light).not.toBe(dark);
    // The signed maps have another zero; the magnitudes keep their colours.
    await expect.poll(async () => (await pixels(page))[2]?.hash).not.toBe(darkPixels[2]?.hash);
    expect((await pixels(page))[0]).toEqual(darkPixels[0]);
    await page.locator('#theme input[value="dark"]').check({ force: true });
    expect(await page.evaluate(background)).toBe(dark);
    await expect.poll(() => pixels(page)).toEqual(darkPixels);
    await page.reload();
    expect(await page.evaluate(background)).toBe(dark);
    await page.locator('#theme input[value="system"]').check({ force: true });
    expect(await page.evaluate(background)).toBe(light);
  });

  it("stands still for readers who asked for that", async () => {
    const page = await open({ reducedMotion: "reduce" });
    await settled(page);
    const moving = await page.evaluate(() => document.getAnimations().length);
    expect(moving).toBe(0);
  });
});
