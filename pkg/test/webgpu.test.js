import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { load } from "scatterbrain-attention";
import { launch, serve, swiftShader } from "./support/browser.js";
import { project } from "./support/pack.js";
import { attend, distance, tensors } from "./support/reference.js";

const call = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };

test("Node has no WebGPU", async () => {
  await assert.rejects(load({ backend: "webgpu" }), {
    name: "ScatterbrainError",
    code: "NoDevice",
    message: /navigator\.gpu.*; backend "auto" or "wasm"/,
  });
  const sb = await load({ backend: "auto" });
  assert.equal(sb.backend, "wasm");
  const { output, stats } = await sb.attention(call);
  assert(distance(output, attend(call).output) < 2e-6);
  assert.equal(stats.backend, "wasm");
  assert.match(
    stats.fallback,
    /^Computed in WebAssembly: There is no WebGPU device to use: .*navigator\.gpu/,
  );
  // What the caller did wrong stays an error.
  await assert.rejects(sb.attention({ ...call, temperature: -1 }), { code: "InvalidOption" });
  const plain = await load();
  assert.equal((await plain.attention(call)).stats.fallback, undefined);
});

const page = `<!doctype html><link rel="icon" href="data:,"><script type="module">
  import * as scatterbrain from "/node_modules/scatterbrain-attention/dist/index.js";
  import * as reference from "/reference.js";
  Object.assign(globalThis, scatterbrain, reference, { ready: true });
</script>`;

let address;
const log = [];
/** With SwiftShader, and with what Chromium has by itself, which is no adapter. */
const browsers = {};
const ends = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

before(async () => {
  // These outlive a single test.
  const t = { after: (end) => ends.push(end) };
  const reference = readFileSync(new URL("./support/reference.js", import.meta.url), "utf8");
  const { folder } = project(t, { "index.html": page, "reference.js": reference });
  address = await serve(t, folder, { log });
  browsers.gpu = await launch(t, swiftShader);
  browsers.none = await launch(t);
});

/** A page with the package's exports as globals. Whatever goes wrong there beside what is asked for fails the test. */
async function open(t, browser = browsers.gpu) {
  const page = await browser.newPage();
  const failures = [];
  page.on("pageerror", (error) => failures.push(error.message));
  page.on("console", (message) => message.type() === "error" && failures.push(message.text()));
  t.after(() => {
    assert.deepEqual(failures, []);
    return page.close();
  });
  await page.goto(address);
  await page.waitForFunction(() => globalThis.ready);
  return page;
}

test("on a GPU: the right answer, and what it says of itself", async (t) => {
  const page = await open(t);
  const { apart, stats, heard, backend, keys } = await page.evaluate(async () => {
    const call = {
      ...tensors({ heads: 4, kvHeads: 2, queries: 130, dim: 20 }),
      method: "exact",
      causal: true,
    };
    const sb = await load({ backend: "webgpu" });
    const heard = [];
    const { output, stats } = await sb.attention({ ...call, onProgress: (fraction) => heard.push(fraction) });
    const other = await (await load()).attention(call);
    const apart = Math.max(distance(output, other.output), distance(output, attend(call).output));
    const keys = [stats, other.stats].map((stats) => Object.keys(stats).join());
    return { apart, stats, heard, backend: sb.backend, keys };
  });
  assert(apart < 1e-4, `${apart}`);
  assert.equal(backend, "webgpu");
  assert.equal(stats.backend, "webgpu");
  assert.match(stats.adapter, /swiftshader/i);
  assert.equal(stats.instructionSet, "wgsl");
  assert.equal(stats.fallback, undefined);
  assert.equal(stats.method, "exact");
  assert(stats.phases.tiles > 0 && stats.milliseconds > 0 && stats.peakBytes > 0, JSON.stringify(stats));
  assert.equal(stats.supportEntries, (4 * 130 * 131) / 2);
  assert.equal(keys[0], `${keys[1]},adapter`);
  assert(heard.every((fraction, i) => fraction >= (heard[i - 1] ?? 0)));
  assert.equal(heard.indexOf(1), heard.length - 1);
});
