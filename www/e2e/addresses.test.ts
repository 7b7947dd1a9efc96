import { expect, inject, it } from "vitest";
import { DEFAULTS } from "../src/lib/state.ts";
import { decodeState, encodeState } from "../src/lib/url-state.ts";
import { numbers, open, pixels, settled, useBrowser } from "./harness.ts";

useBrowser();

const MARKUP = "hostile<img src=x onerror=alert(1)><script>alert(2)</script>";
/** Small, so that the picture comes at once. */
const SMALL = "?v=1&head=clusters&n=48&dim=8";

const HOSTILE = [
  `?${["head", "support", MARKUP].map((key) => new URLSearchParams({ [key]: MARKUP })).join("&")}`,
  `${SMALL}&features=${MARKUP}&scale=${MARKUP}&span=${MARKUP}&cell=${MARKUP}&view=${MARKUP}&v=${MARKUP}`,
  `${SMALL}&t=1e999&budget=NaN&split=-Infinity&seed=0x10&clusters=1e99&spread=%00&data-seed=-1`,
  `${SMALL}&t=0&budget=1e9&split=9&clusters=999&spread=99&cell=99999-99999&view=99999-99999-99999`,
  `${SMALL}&__proto__=1&constructor.prototype.x=1&__proto__[x]=1&support=__proto__&features=constructor`,
  `${SMALL}&t=%E0%A4%A&budget=%&split=%zz&backend=%ud800&support=%ff%fe&t=2&t=3`,
  `${SMALL}&n=1&dim=99999&n=1024&backend=javascript:alert(1)#<img src=x onerror=alert(3)>`,
  `${SMALL}&${"t=0.5&".repeat(2_000)}`,
  "?v=999999999999999999999&head=own&n=-1",
];

it("an address made by someone else shows a picture, and nothing of itself", async () => {
  const page = await open({ search: SMALL });
  const ran: string[] = [];
  page.on("dialog", (dialog) => {
    ran.push(dialog.message());
    void dialog.dismiss();
  });
  await settled(page);
  const scripts = await page.locator("script").count();
  for (const search of HOSTILE) {
    // From an empty page: a change behind the # alone would load nothing.
    await page.goto("about:blank");
    await page.goto(inject("page") + search);
    await settled(page);
    const [exact] = await pixels(page);
    const { entropy } = await numbers(page);
    expect([search, (exact?.colours as number) > 1, (entropy as number) >= 0]).toEqual([search, true, true]);
    // What was not understood is gone from the address too.
    const understood = encodeState(decodeState(search.replace(/#.*/, "")));
    expect(new URL(page.url()).search).toBe(understood);
    const { html, polluted } = await page.evaluate(() => ({
      html: document.documentElement.outerHTML,
      polluted: "x" in {},
    }));
    expect([search, /hostile|onerror|alert\(/.test(html), polluted]).toEqual([search, false, false]);
    expect(await page.locator("script").count()).toBe(scripts);
  }
  expect(ran).toEqual([]);
  // The last one is of another version, so it means nothing here.
  expect(decodeState(new URL(page.url()).search)).toEqual(DEFAULTS);
});
