import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { describe, expect, it } from "vitest";
import { curveDone, numbers, open, pixels, settled, useBrowser } from "./harness.ts";

useBrowser();

describe("waiting", () => {
  it("shows progress, and a cancel that keeps the last picture", async () => {
    let release = () => {};
    const page = await open();
    await settled(page);
    await curveDone(page);
    const before = await numbers(page);
    await page.route("**/*l00h2*.safetensors", async (route) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      // The page may have given the request up by then.
      await route.continue().catch(() => {});
    });
    await page.selectOption("#preset", "dinov2-l00h2");
    await page.locator("#maps .progress").waitFor();
    expect(await page.getAttribute("#maps", "aria-busy")).toBe("true");
    await page.click("#maps .progress button");
    await page.locator("#alert", { hasText: "Cancelled" }).waitFor();
    expect(await page.locator("#maps .progress").isVisible()).toBe(false);
    expect(await numbers(page)).toEqual(before);
    for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(20);
    release();
    await page.unroute("**/*l00h2*.safetensors");
    await page.click("#alert button");
    await settled(page);
    expect(await page.locator("#alert").isVisible()).toBe(false);
    expect((await numbers(page)).entropy).not.toBe(before.entropy);
  });

  it("cancels a long computation", async () => {
    const page = await open({ search: "?v=1&head=clusters&n=1024&dim=128&features=taylor-2" });
    await page.locator("#maps .progress", { hasText: "Computing" }).waitFor({ timeout: 20_000 });
    await page.click("#maps .progress button");
    await page.locator("#alert", { hasText: "Cancelled" }).waitFor({ timeout: 5_000 });
    // And the worker is free for the next one.
    await page.fill("#tokens", "64");
    await page.keyboard.press("Enter");
    await page.selectOption("#features", "favor");
    await settled(page);
    expect((await numbers(page)).entropy).toBeGreaterThan(0);
    expect(await page.locator("#alert").isVisible()).toBe(false);
  });

  it("answers only the newest of many requests", async () => {
    const page = await open({ search: "?v=1&head=clusters&n=512" });
    await settled(page);
    for (const support of ["window", "top-k", "lsh", "smyrf", "window"])
      await page.selectOption("#support", support);
    await page.fill("#seed", "5");
    await page.keyboard.press("Enter");
    await settled(page);
    await page.waitForTimeout(500);
    await settled(page);
    const found = await numbers(page);
    const fresh = await open({ search: new URL(page.url()).search });
    await settled(fresh);
    expect(await numbers(fresh)).toEqual(found);
  });
});

describe("failing", () => {
  const provoked = /Failed to load resource|net::ERR_FAILED|provoked/;

  it("says so when the module cannot be loaded, and can try again", async () => {
    const page = await open({
      expected: provoked,
      prepare: (page) => page.route("**/*.wasm", (route) => route.abort()),
    });
    await page.locator("#alert", { hasText: /WebAssembly/ }).waitFor();
    // The poster stays.
    for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(5);
    await page.unroute("**/*.wasm");
    await page.click("#alert button");
    await settled(page);
    expect((await numbers(page)).exact).toBeGreaterThan(0);
    expect(await page.locator("#alert").isVisible()).toBe(false);
  });

  it("says so when a head cannot be loaded, and keeps the last picture", async () => {
    const page = await open({ expected: provoked });
    await settled(page);
    const before = await numbers(page);
    await page.route("**/*l05h0*", (route) => route.fulfill({ status: 503 }));
    await page.selectOption("#preset", "smollm2-l05h0");
    await page.locator("#alert", { hasText: "503" }).waitFor();
    expect(await numbers(page)).toEqual(before);
    await page.route("**/*l05h0*", (route) => route.fulfill({ body: "not a head" }));
    await page.click("#alert button");
    await page.locator("#alert", { hasText: "safetensors" }).waitFor();
    await page.unroute("**/*l05h0*");
    await page.click("#alert button");
    await settled(page);
    expect((await numbers(page)).entropy).not.toBe(before.entropy);
  });

  it("gives up a worker that says nothing for half a minute", async () => {
    const page = await open({
      prepare: async (page) => {
        await page.clock.install();
        await page.route("**/*.wasm", () => {});
      },
    });
    await page.locator("#maps .progress").waitFor();
    await page.unroute("**/*.wasm");
    await page.clock.fastForward(31_000);
    await page.locator("#alert", { hasText: "has not answered for 30 seconds" }).waitFor();
    await page.click("#alert button");
    await settled(page);
    expect((await numbers(page)).exact).toBeGreaterThan(0);
  });

  it("starts a new worker when the worker cannot start or dies", async () => {
    const page = await open({
      expected: provoked,
      prepare: (page) => page.route("**/engine-*.js", (route) => route.abort()),
    });
    await page.locator("#alert", { hasText: "computing thread" }).waitFor();
    await page.unroute("**/engine-*.js");
    await page.click("#alert button");
    await settled(page);
    const before = await numbers(page);
    await page.workers()[0]?.evaluate(() => {
      setTimeout(() => {
        throw new Error("provoked");
      });
    });
    await page.waitForTimeout(300);
    if (await page.locator("#alert").isVisible()) await page.click("#alert button");
    await page.fill("#temperature-number", "0.5");
    await page.keyboard.press("Enter");
    await settled(page);
    expect((await numbers(page)).entropy).toBeLessThan(before.entropy as number);
  });
});

describe("elsewhere", () => {
  it("works under any path", async () => {
    const types: Record<string, string> = {
      ".html": "text/html",
      ".js": "text/javascript",
      ".css": "text/css",
      ".svg": "image/svg+xml",
    };
    const mount = "/some/where/";
    const server = createServer(async (request, response) => {
      const path = new URL(request.url as string, "http://x").pathname;
      if (!path.startsWith(mount)) return response.writeHead(404).end();
      const name = path.slice(mount.length) || "index.html";
      try {
        const body = await readFile(new URL(`../dist/${name}`, import.meta.url));
        // No type for .wasm: simple servers do not know it.
        response.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream" });
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const page = await open({
        address: `http://127.0.0.1:${port}${mount}`,
        search: "?v=1&head=smollm2-l29h8",
      });
      await settled(page);
      for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(5);
      await page.selectOption("#preset", "clusters");
      await settled(page);
      expect(page.url()).toContain(`${mount}?v=1&head=clusters`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
