import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { curveDone, open, pixels, settled, useBrowser } from "./harness.ts";

useBrowser();

const out = fileURLToPath(new URL("../test-output/", import.meta.url));
/** Between the margins of a sheet of A4. */
const PAPER = { width: 688, height: 1017 };

it("prints on white, in one column, without anything to click on", async () => {
  const page = await open({ colorScheme: "dark" });
  await settled(page);
  await curveDone(page);
  const dark = await pixels(page);
  await page.locator('#theme input[value="dark"]').check({ force: true });
  await page.setViewportSize(PAPER);
  await page.emulateMedia({ media: "print" });

  const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  expect(background).toBe("rgb(255, 255, 255)");
  // Signed maps have another zero on white.
  await expect.poll(async () => (await pixels(page))[2]?.hash).not.toBe(dark[2]?.hash);

  const seen = await page.evaluate(() => {
    const visible = (selector: string) =>
      [...document.querySelectorAll<HTMLElement>(selector)].filter((one) => one.checkVisibility());
    const edges = (selector: string) => visible(selector).map((one) => one.getBoundingClientRect());
    return {
      buttons: visible("button, input:not(#temperature-number), summary:not(.method *)").length,
      maps: edges(".map").map(({ left, top }) => [Math.round(left), Math.round(top)]),
      widest: Math.max(...edges("body *").map(({ right }) => right)),
      columns: edges(".map.exact, .regimes, .facts, .readings, footer").map(({ left }) => Math.round(left)),
      text: document.body.innerText,
    };
  });
  expect(seen.buttons).toBe(0);
  expect(seen.widest).toBeLessThanOrEqual(PAPER.width + 1);
  expect(new Set(seen.columns).size).toBe(1);
  const [exact, lowRank, sparse, error] = seen.maps;
  expect([lowRank?.[1], error?.[1]]).toEqual([exact?.[1], sparse?.[1]]);
  expect([sparse?.[0], error?.[0]]).toEqual([exact?.[0], lowRank?.[0]]);
  // What it takes to make the picture again, and where the method is from.
  for (const part of [
    "SMYRF hashing + FAVOR+, centred, 12.5",
    "as trained",
    "Error at equal budget",
    "6.93 nats",
  ]) {
    expect(seen.text).toContain(part);
  }
  const link = page.locator("footer a").first();
  expect(await link.evaluate((one) => getComputedStyle(one, "::after").content)).toContain("arxiv.org");

  mkdirSync(out, { recursive: true });
  await page.screenshot({ path: `${out}print.png`, fullPage: true });
  const pdf = await page.pdf({ path: `${out}print.pdf`, format: "A4" });
  const pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length;
  expect(pages).toBeGreaterThanOrEqual(2);
  expect(pages).toBeLessThanOrEqual(4);
});
