import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { preview } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeState } from "../src/lib/url-state.ts";
import { expectClose, expectedNumbers, numbers, open, pixels, settled, useBrowser } from "./harness.ts";

useBrowser();

/** These tests are about what the others switch off. */
const atServer = () => ({
  address: server.url,
  serviceWorkers: "allow" as const,
  expected: /Failed to load resource|net::ERR_/,
});

/** A copy of the built page under a path of its own, on a server that can be stopped. */
let root: string;
let server: Awaited<ReturnType<typeof serve>>;

async function serve(port = 0) {
  const started = await preview({
    root,
    configFile: false,
    base: "/some/where/",
    logLevel: "error",
    build: { outDir: "." },
    preview: { host: "127.0.0.1", port, strictPort: port !== 0 },
  });
  const address = started.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}/some/where/`,
    close: () => started.close(),
  };
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "scatterbrain-page-"));
  cpSync(fileURLToPath(new URL("../dist", import.meta.url)), root, { recursive: true });
  server = await serve();
});

afterAll(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

/** Until everything is kept, and the page is in the service worker's hands. */
async function kept(page: Page): Promise<void> {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
}

const cached = (page: Page, part: string) =>
  page.evaluate(async (part) => {
    const all = await Promise.all(
      (await caches.keys()).map(async (name) => (await caches.open(name)).keys()),
    );
    return all.flat().filter(({ url }) => url.includes(part)).length;
  }, part);

async function expectPicture(page: Page): Promise<void> {
  await settled(page);
  for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(20);
  const state = decodeState(new URL(page.url()).search);
  const found = await numbers(page);
  expectClose(found, await expectedNumbers(state, found.query as number, found.key as number));
}

/** What a new version changes: the page, a script's name, and with them the service worker. */
function deploy(name: string): void {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const hash = (text: string) => createHash("sha256").update(text).digest("base64");
  const [script] = /index-[\w-]+\.js/.exec(read("index.html")) as RegExpExecArray;
  const before = read("index.html");
  const after = before
    .replace(/<title>.*<\/title>/, `<title>${name}</title>`)
    .replace(script, `index-${name}.js`);
  renameSync(join(root, "assets", script), join(root, "assets", `index-${name}.js`));
  writeFileSync(join(root, "index.html"), after);
  const worker = read("service-worker.js")
    .replace(/"version":"\w+"/, `"version":"${name}"`)
    .replace(script, `index-${name}.js`)
    .replace(hash(before), hash(after));
  writeFileSync(join(root, "service-worker.js"), worker);
}

describe("without a network", () => {
  it("the page, its numbers and the heads that were looked at are there", async () => {
    const page = await open({ ...atServer(), search: "?v=1&head=dinov2-l00h2" });
    await settled(page);
    await kept(page);
    // What the first picture needed was fetched before there was a cache.
    await expect.poll(() => cached(page, "l00h2")).toBe(1);
    await page.selectOption("#preset", "smollm2-l05h0");
    await settled(page);
    await expect.poll(() => cached(page, "l05h0")).toBe(1);
    // Nothing is kept for readers who do not ask for it.
    expect(await cached(page, ".safetensors")).toBe(3);
    expect(await cached(page, "webgpu")).toBe(0);

    await server.close();
    await page.reload();
    await expectPicture(page);
    expect(new URL(page.url()).search).toContain("smollm2-l05h0");
    await page.goto(`${server.url}index.html`);
    await expectPicture(page);

    // A head that was never here is missed, in words, and can be had once there is a network again.
    await page.selectOption("#preset", "dinov2-l03h4");
    await page.locator("#alert", { hasText: "cannot be reached" }).waitFor();
    server = await serve(server.port);
    await page.click("#alert button");
    await settled(page);
    await expect.poll(() => cached(page, "l03h4")).toBe(1);
  });
});

describe("a new version", () => {
  it("is there at the next load, whole, and the old one is gone", async () => {
    const page = await open({ ...atServer(), search: "?v=1&head=clusters&n=64" });
    await settled(page);
    await kept(page);
    deploy("second");
    await page.reload();
    await settled(page);
    expect(await page.title()).toBe("second");
    await expect
      .poll(() => page.evaluate(() => caches.keys()), { timeout: 20_000 })
      .toEqual([`scatterbrain ${server.url} second`]);
    expect(await cached(page, "/index-")).toBe(2);

    // One whose files are not those it promises is not kept.
    deploy("third");
    writeFileSync(join(root, "assets/index-third.js"), "a gateway's sign-in page");
    const fate = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const end = new Promise((resolve) => {
        registration.addEventListener("updatefound", () => {
          const worker = registration.installing;
          worker?.addEventListener("statechange", () => resolve(worker.state), { once: true });
        });
      });
      await registration.update();
      return end;
    });
    expect(fate).toBe("redundant");
    // Nor is the network waited for when it has nothing to say.
    await server.close();
    const silent = createServer(() => {}).listen(server.port, "127.0.0.1");
    try {
      await page.reload();
      await expectPicture(page);
      expect(await page.title()).toBe("second");
    } finally {
      silent.closeAllConnections();
      await new Promise((resolve) => silent.close(resolve));
      server = await serve(server.port);
    }
  });
});
