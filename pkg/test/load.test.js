import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { load } from "scatterbrain-attention";
// The glue is no part of the interface. It is what these tests break on purpose.
import instance, { Job } from "../dist/wasm/scatterbrain.js";
import { packageFolder } from "./support/pack.js";
import { attend, distance, tensors } from "./support/reference.js";

// Node 20 has no relaxed SIMD, later ones do.
const hasRelaxed = Number.parseInt(process.versions.node, 10) > 20;
const [instructions, other] = hasRelaxed ? ["relaxed", "simd128"] : ["simd128", "relaxed"];
const file = hasRelaxed ? "scatterbrain-relaxed.wasm" : "scatterbrain.wasm";
const address = new URL(import.meta.resolve(`scatterbrain-attention/${file}`));
const bytes = readFileSync(address);
const call = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };
const long = { ...tensors({ heads: 4, queries: 2048, dim: 64 }), method: "exact" };

async function works(sb) {
  assert(distance((await sb.attention(call)).output, attend(call).output) < 2e-6);
}

const unloadable = {
  "a file that is not there": new URL("file:///nowhere/scatterbrain.wasm"),
  "a path that is not there": "nowhere/scatterbrain.wasm",
  "bytes that are no module": Uint8Array.of(1, 2, 3),
  "no bytes": new ArrayBuffer(0),
  "another module": new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
};

// First, while nothing is loaded: none of these may stand in the way of what follows.
for (const [name, wasm] of Object.entries(unloadable)) {
  test(`a load from ${name} fails, and a later one does not have to`, async () => {
    await assert.rejects(load({ wasm }), (error) => {
      assert.equal(error.name, "ScatterbrainError");
      assert.equal(error.code, "LoadFailed", error.message);
      assert(error.cause instanceof Error);
      if (typeof wasm === "string" || wasm instanceof URL) assert(error.message.includes(String(wasm)));
      return true;
    });
  });
}

test("loads at the same time share one instance, whatever becomes of them", async () => {
  const loads = [load(), load({ wasm: bytes }), load({ wasm: Uint8Array.of(0) }), load({ backend: "wasm" })];
  const [first, second, failed, fourth] = await Promise.allSettled(loads);
  assert.equal(failed.reason?.code, "LoadFailed");
  for (const { value } of [first, second, fourth]) {
    await works(value);
    value.dispose();
  }
});

test("every way to give the module", async (t) => {
  const server = createServer((_, response) => response.end(bytes));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const http = `http://127.0.0.1:${server.address().port}/scatterbrain.wasm`;
  const copy = new Uint8Array(bytes);
  for (const wasm of [address, address.href, fileURLToPath(address), http, new URL(http)]) {
    await works(await load({ wasm, backend: "auto", workers: 1, simd: instructions }));
  }
  for (const wasm of [copy, copy.buffer, new DataView(copy.buffer), new WebAssembly.Module(copy)]) {
    await works(await load({ wasm }));
  }
});

for (const [options, code, ...words] of [
  [{ backend: "webgpu" }, "NoDevice", "navigator.gpu"],
  [{ backend: "cpu" }, "InvalidOption", 'backend: "cpu"', '"wasm"'],
  [{ backend: null }, "InvalidOption", "backend: null"],
  [{ workers: 0 }, "InvalidOption", "workers: 0", "from 1 to 64"],
  [{ workers: 65 }, "InvalidOption", "workers: 65"],
  [{ workers: 1.5 }, "InvalidOption", "workers: 1.5"],
  [{ workers: "2" }, "InvalidOption", 'workers: "2"'],
  [{ simd: other }, "Unsupported", `simd "${other}"`],
  [{ simd: "yes" }, "InvalidOption", 'simd: "yes"', '"relaxed"'],
  [{ simd: true }, "InvalidOption", "simd: true", '"simd128"'],
  [{ wasm: 5 }, "InvalidOption", "wasm: 5"],
  [{ wasm: null }, "InvalidOption", "wasm: null"],
  [{ webgpu: 5 }, "InvalidOption", "webgpu: 5"],
  [{ wasmUrl: "x" }, "InvalidOption", 'wasmUrl: "x"', "wasm"],
  [null, "InvalidOption", "options: null"],
  ["x.wasm", "InvalidOption", 'options: "x.wasm"'],
]) {
  test(`load(${JSON.stringify(options)}) says what is wrong`, async () => {
    await assert.rejects(load(options), (error) => {
      assert.equal(error.code, code, error.message);
      for (const word of words) assert(error.message.includes(word), error.message);
      return true;
    });
  });
}

test("it says what it computes with", async () => {
  const sb = await load();
  assert.equal(sb.backend, "wasm");
  assert.equal(sb.instructionSet, hasRelaxed ? "relaxed-simd" : "simd128");
});

test("an engine without relaxed SIMD runs the module without it", () => {
  const code = `
    WebAssembly.validate = () => false;
    const { load } = await import("scatterbrain-attention");
    const { code, message } = await load({ simd: "relaxed" }).catch((error) => error);
    const { instructionSet } = await load();
    console.log(JSON.stringify([code, message, instructionSet]));`;
  const args = ["--input-type=module", "--eval", code];
  const told = JSON.parse(execFileSync(process.execPath, args, { cwd: packageFolder, encoding: "utf8" }));
  const message = 'simd "relaxed" is not supported: this engine has no relaxed SIMD';
  assert.deepEqual(told, ["Unsupported", message, "simd128"]);
});

test("a trap fails the calls in flight, and the instance works again", async () => {
  const sb = await load();
  const beside = sb.attention(long);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { memory } = await instance();
  new Uint8Array(memory.buffer).fill(0xff);
  await assert.rejects(sb.attention(call), (error) => {
    assert.equal(error.code, "Internal", error.message);
    assert(error.cause instanceof WebAssembly.RuntimeError);
    return true;
  });
  await assert.rejects(beside, { code: "Internal" });
  await works(sb);
  assert.notEqual((await instance()).memory, memory);
});

test("a trap that strikes one call in the middle of its work", async (t) => {
  const sb = await load();
  const beside = sb.attention(long);
  t.mock.method(
    Job.prototype,
    "step",
    () => {
      throw new WebAssembly.RuntimeError("unreachable");
    },
    { times: 1 },
  );
  await assert.rejects(beside, { code: "Internal", message: /unreachable/ });
  await works(sb);
});
