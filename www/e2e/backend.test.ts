import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { DEFAULTS } from "../src/lib/state.ts";
import { numbers, open, SOFTWARE_GPU, settled, stateSearch, useBrowser } from "./harness.ts";

useBrowser(SOFTWARE_GPU);

const small = { ...DEFAULTS, preset: "clusters", clusters: { ...DEFAULTS.clusters, tokens: 128 } };

/** The note, once it is about a call that is done. */
async function ran(page: Page): Promise<{ ran: string; difference: number; text: string }> {
  await page.waitForSelector('#backend-note:not([data-ran=""])', { timeout: 60_000 });
  return page.$eval("#backend-note", (node) => ({
    ran: (node as HTMLElement).dataset.ran ?? "",
    difference: Number((node as HTMLElement).dataset.difference),
    text: node.textContent ?? "",
  }));
}

describe("the back-end switch", () => {
  it("runs the estimator on the GPU, and says for how long and how far off", async () => {
    const page = await open({ search: stateSearch(small) });
    await settled(page);
    expect(await page.textContent("#backend-note")).toMatch(/always WebAssembly/);
    const before = await numbers(page);
    await page.check("#backend input[value=webgpu]", { force: true });
    const first = await ran(page);
    expect(first.ran).toBe("webgpu");
    expect(first.difference).toBeLessThan(1e-4);
    expect(first.text).toMatch(/^It ran on WebGPU \(.+\), in .+; WebAssembly takes .+\./);
    expect(new URL(page.url()).searchParams.get("backend")).toBe("webgpu");
    expect(await numbers(page)).toEqual(before);

    // It follows the settings, and the switch goes back.
    await page.selectOption("#features", "favor");
    await settled(page);
    expect((await ran(page)).ran).toBe("webgpu");
    await page.check("#backend input[value=wasm]", { force: true });
    expect(await page.textContent("#backend-note")).toMatch(/always WebAssembly/);
  });

  it("says what the GPU cannot do, and shows what WebAssembly did instead", async () => {
    const page = await open({ search: stateSearch({ ...small, support: "top-k", backend: "webgpu" }) });
    const { ran: where, text, difference } = await ran(page);
    expect(where).toBe("wasm");
    expect(text).toMatch(/^Computed in WebAssembly: .*top-k.* That took/);
    expect(difference).toBe(0);
  });

  it.each([
    ["has no WebGPU", 'Object.defineProperty(WorkerNavigator.prototype, "gpu", { value: undefined });'],
    ["has no adapter", "Object.assign(GPU.prototype, { requestAdapter: async () => null });"],
  ])("works, and says why, where the browser %s", async (_, disable) => {
    // Put in front of the worker's code.
    const page = await open({
      search: stateSearch({ ...small, backend: "webgpu" }),
      prepare: (page) =>
        page.route("**/engine-*.js", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: disable + (await response.text()) });
        }),
    });
    const { ran: where, text } = await ran(page);
    expect(where).toBe("wasm");
    expect(text).toMatch(/^Computed in WebAssembly: .{10,} That took/);
    expect((await numbers(page)).errors.scatterbrain).toBeGreaterThan(0);
  });
});
