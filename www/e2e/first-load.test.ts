import { gzipSync } from "node:zlib";
import type { Response } from "playwright-core";
import { expect, it } from "vitest";
import { open, settled, useBrowser } from "./harness.ts";

useBrowser();

/** Program and style: the page, its scripts, the worker's, and the module. */
const BUDGET = 350_000;
/** Not in it: the head and the poster, which are data, and fonts, which come when the text is on the screen already. */
const APART = /\.(safetensors|bin|woff2)$/;

it("takes at most 350 kB until the first picture", async () => {
  // The second worker loads what the first one has loaded, which the browser keeps.
  const responses = new Map<string, Response>();
  const page = await open({
    prepare: async (page) => page.on("response", (one) => responses.set(one.url(), one)),
  });
  await settled(page);
  const files = await Promise.all(
    [...responses.values()].map(async (response) => {
      const name = new URL(response.url()).pathname.split("/").pop() || "index.html";
      return { name, gzip: gzipSync(await response.body(), { level: 9 }).length };
    }),
  );
  files.sort((a, b) => b.gzip - a.gzip);
  const counted = files.filter(({ name }) => !APART.test(name));
  const total = counted.reduce((sum, { gzip }) => sum + gzip, 0);
  const list = (some: typeof files) => some.map(({ name, gzip }) => `${name} ${gzip}`).join(", ");
  console.log(`First load: ${total} bytes with gzip, of ${BUDGET}: ${list(counted)}`);
  console.log(`Beside it: ${list(files.filter(({ name }) => APART.test(name)))}`);

  // What a page cannot do without was seen.
  for (const part of [
    /^index\.html$/,
    /^index-.*\.js$/,
    /^engine-.*\.js$/,
    /\.css$/,
    /^scatterbrain_bg-.*\.wasm$/,
  ]) {
    expect(counted.filter(({ name }) => part.test(name))).toHaveLength(1);
  }
  expect(total).toBeLessThan(BUDGET);
});
