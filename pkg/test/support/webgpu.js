/** Pages with WebGPU, for the tests of one file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before } from "node:test";
import { launch, serve, swiftShader } from "./browser.js";
import { project } from "./pack.js";

const page = `<!doctype html><link rel="icon" href="data:,"><script type="module">
  import * as scatterbrain from "/node_modules/scatterbrain-attention/dist/index.js";
  import * as reference from "/reference.js";
  Object.assign(globalThis, scatterbrain, reference, { ready: true });
</script>`;

let address;
/** Paths that were asked for. */
export const log = [];
/** With SwiftShader, and with what Chromium has by itself, which is no adapter. */
export const browsers = {};
const ends = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

before(async () => {
  // These outlive a single test.
  const t = { after: (end) => ends.push(end) };
  const reference = readFileSync(new URL("./reference.js", import.meta.url), "utf8");
  const { folder } = project(t, { "index.html": page, "reference.js": reference });
  address = await serve(t, folder, { log });
  browsers.gpu = await launch(t, swiftShader);
  browsers.none = await launch(t);
});

/** A page with the package's exports as globals. Whatever goes wrong there beside what is asked for fails the test. */
export async function open(t, browser = browsers.gpu) {
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

/** In a page: what goes wrong with the devices of `load`, on demand. */
export function meddle() {
  const { requestDevice } = GPUAdapter.prototype;
  globalThis.devices = [];
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };
  /** Once, an error of this kind where there was none, in the scope that is for it. */
  globalThis.answer = (name) => {
    const { popErrorScope } = GPUDevice.prototype;
    // They are closed in this order.
    const scopes = ["GPUValidationError", "GPUOutOfMemoryError", "GPUInternalError"];
    GPUDevice.prototype.popErrorScope = function () {
      const answer = popErrorScope.call(this);
      if (scopes.shift() !== name) return answer;
      GPUDevice.prototype.popErrorScope = popErrorScope;
      return answer.then(() => new globalThis[name]("on purpose"));
    };
  };
  // Causal, as the check at load is: each device has one shader to compile, which takes two seconds.
  const causal = { method: "exact", causal: true };
  globalThis.long = { ...tensors({ heads: 4, queries: 640, dim: 64 }), ...causal };
  globalThis.short = { ...tensors({ queries: 64, dim: 8 }), ...causal };
  /** How far a call's result is from that of WebAssembly. */
  globalThis.off = async ({ output }, call) => {
    const plain = await load();
    const wanted = await plain.attention(call);
    plain.dispose();
    return distance(output, wanted.output);
  };
}
