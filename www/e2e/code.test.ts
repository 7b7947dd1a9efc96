import axe from "axe-core";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { snippet } from "../src/lib/snippet.ts";
import { decodeState } from "../src/lib/url-state.ts";
import { open, settled, stateSearch, useBrowser } from "./harness.ts";

useBrowser();

const search = "?v=1&head=clusters&t=0.3&support=lsh&features=favor&n=128";
const javascript = snippet(decodeState(search), "javascript");

/** Opens the dialog by keys. */
async function openDialog(page: Page): Promise<void> {
  await settled(page);
  await page.locator("#code-open").focus();
  await page.keyboard.press("Enter");
  await page.locator("#code[open]").waitFor();
}

describe("copy as code", () => {
  it("shows both languages of the current settings and copies them", async () => {
    const page = await open({ search, permissions: ["clipboard-read", "clipboard-write"] });
    await openDialog(page);
    expect(await page.textContent("#code-text")).toBe(javascript);
    await page.click("#code-copy");
    await page.locator("#code-note", { hasText: "Copied." }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(javascript);
    await page.locator('#code-language input[value="rust"]').check({ force: true });
    expect(await page.textContent("#code-text")).toBe(snippet(decodeState(search), "rust"));
    expect(await page.textContent("#code-note")).toBe("");
    await page.keyboard.press("Escape");
    expect(await page.locator("#code").isVisible()).toBe(false);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("code-open");
    // It follows the page, and remembers the language.
    await page.fill("#seed", "9");
    await page.keyboard.press("Enter");
    await openDialog(page);
    expect(await page.textContent("#code-text")).toContain("seed: 9,\n        ..Options::default()");
    await page.click("#code-close");
    expect(await page.locator("#code").isVisible()).toBe(false);
  });

  it("copies the link, which opens the same", async () => {
    const search = stateSearch({
      preset: "smollm2-l12h4",
      support: "window",
      features: "favor",
      temperature: 0.5,
    });
    const page = await open({ search, permissions: ["clipboard-read", "clipboard-write"] });
    await page.click("#link-copy");
    await expect.poll(() => page.textContent("#link-note")).toBe("Copied.");
    const link = await page.evaluate(() => navigator.clipboard.readText());
    expect(new URL(link).search).toBe(search);
  });

  it("selects the code where the clipboard is refused", async () => {
    const page = await open({
      search,
      prepare: (page) =>
        page.addInitScript(() => {
          navigator.clipboard.writeText = () => Promise.reject(new DOMException("no", "NotAllowedError"));
        }),
    });
    await openDialog(page);
    await page.click("#code-copy");
    await page.locator("#code-note", { hasText: "refused" }).waitFor();
    expect(await page.evaluate(() => getSelection()?.toString().trim())).toBe(javascript.trim());
  });

  it.each([
    [1440, "light"],
    [390, "light"],
    [390, "dark"],
  ] as const)("fits %i pixels, %s, without an accessibility violation", async (width, colorScheme) => {
    const page = await open({ search, colorScheme, viewport: { width, height: 844 } });
    await openDialog(page);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target)])).toEqual([]);
  });
});
