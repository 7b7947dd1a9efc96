import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "scatterbrain-attention";
import { attend, distance, tensors } from "./support/reference.js";
import { browsers, log, meddle, open } from "./support/webgpu.js";

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

test("no adapter, which is found out before the module is fetched", async (t) => {
  const page = await open(t, browsers.none);
  log.length = 0;
  const { refusal, stats } = await page.evaluate(async () => {
    const refusal = await load({ backend: "webgpu" }).catch(({ code, message }) => [code, message]);
    const sb = await load({ backend: "auto" });
    const call = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };
    return { refusal, stats: (await sb.attention(call)).stats };
  });
  assert.equal(refusal[0], "NoDevice");
  assert.match(refusal[1], /the browser has no adapter.*backend "auto" or "wasm"/);
  assert.equal(stats.backend, "wasm");
  assert.match(stats.fallback, /the browser has no adapter/);
  assert.deepEqual(
    log.filter((path) => /webgpu.*\.wasm$/.test(path)),
    [],
  );
});

test("a device that is refused", async (t) => {
  const page = await open(t);
  const { refusal, stats } = await page.evaluate(async () => {
    GPUAdapter.prototype.requestDevice = () =>
      Promise.reject(new DOMException("not today", "OperationError"));
    const refusal = await load({ backend: "webgpu" }).catch(({ code, message }) => [code, message]);
    const sb = await load({ backend: "auto" });
    return { refusal, stats: (await sb.attention(tensors({ queries: 64, dim: 8 }))).stats };
  });
  assert.equal(refusal[0], "NoDevice");
  assert.match(refusal[1], /the device was refused.*not today/);
  assert.match(stats.fallback, /the device was refused/);
});

test("a GPU that computes wrongly is not used", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const { refusal, fallback, apart } = await page.evaluate(async () => {
    const { writeBuffer } = GPUQueue.prototype;
    GPUQueue.prototype.writeBuffer = function (buffer, offset, data, ...range) {
      const copy = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength).slice();
      // One number's sign.
      if (copy.length > 1000) copy[503] ^= 128;
      writeBuffer.call(this, buffer, offset, copy, ...range);
    };
    const refusal = await load({ backend: "webgpu" }).catch(({ code, message }) => [code, message]);
    const sb = await load({ backend: "auto" });
    const result = await sb.attention(short);
    return { refusal, fallback: result.stats.fallback, apart: await off(result, short) };
  });
  assert.equal(refusal[0], "NoDevice");
  assert.match(refusal[1], /computes wrongly/);
  assert.match(fallback, /computes wrongly/);
  assert.equal(apart, 0);
});

test("a device that is lost during a call", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const { auto, strict } = await page.evaluate(async () => {
    const results = {};
    for (const backend of ["auto", "webgpu"]) {
      const sb = await load({ backend });
      const heard = [];
      const onProgress = (fraction) => {
        heard.push(fraction);
        if (fraction > 0 && fraction < 1) devices.at(-1).destroy();
      };
      const told = { heard, before: devices.length };
      try {
        const result = await sb.attention({ ...long, onProgress });
        Object.assign(told, { stats: result.stats, apart: await off(result, long) });
      } catch ({ code, message }) {
        Object.assign(told, { code, message });
      }
      const next = await sb.attention(short);
      Object.assign(told, {
        next: next.stats.backend,
        nextApart: await off(next, short),
        after: devices.length,
      });
      results[backend === "auto" ? "auto" : "strict"] = told;
    }
    return results;
  });
  assert.equal(auto.stats.backend, "wasm");
  assert.match(auto.stats.fallback, /^Computed in WebAssembly: The WebGPU device was lost/);
  assert(auto.apart === 0, `${auto.apart}`);
  assert(auto.heard.every((fraction, i) => i === 0 || fraction > auto.heard[i - 1]));
  assert.equal(auto.heard.indexOf(1), auto.heard.length - 1);
  assert.equal(strict.code, "DeviceLost");
  for (const { next, nextApart, before, after } of [auto, strict]) {
    assert.equal(next, "webgpu");
    assert(nextApart < 1e-4);
    assert.equal(after, before + 1);
  }
});

test("a device that is lost, and none to take its place", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const told = {};
    const { requestAdapter } = GPU.prototype;
    for (const backend of ["auto", "webgpu"]) {
      const sb = await load({ backend });
      GPU.prototype.requestAdapter = async () => null;
      devices.at(-1).destroy();
      await devices.at(-1).lost;
      const tries = [];
      for (let i = 0; i < 3; i++) {
        if (i === 2) GPU.prototype.requestAdapter = requestAdapter;
        tries.push(
          await sb.attention(short).then(
            ({ stats }) => stats.backend,
            ({ code }) => code,
          ),
        );
      }
      told[backend] = { tries, backend: sb.backend };
    }
    return told;
  });
  assert.deepEqual(told.auto, { tries: ["wasm", "wasm", "wasm"], backend: "wasm" });
  assert.deepEqual(told.webgpu, { tries: ["NoDevice", "NoDevice", "webgpu"], backend: "webgpu" });
});

for (const [name, code, opened] of [
  ["GPUOutOfMemoryError", "OutOfMemory", 2],
  ["GPUValidationError", "DeviceFailed", 2],
  // wgpu 30 has no such error for pages, and panics: the module is restarted, and another device opened.
  ["GPUInternalError", "Internal", 4],
]) {
  test(`${name} in a call`, async (t) => {
    const page = await open(t);
    await page.evaluate(meddle);
    const { auto, strict, devices } = await page.evaluate(async (name) => {
      const told = {};
      for (const backend of ["auto", "webgpu"]) {
        const sb = await load({ backend });
        answer(name);
        const first = await sb.attention(long).catch(({ code, message }) => ({ code, message }));
        const next = await sb.attention(long);
        told[backend === "auto" ? "auto" : "strict"] = {
          ...first,
          output: undefined,
          apart: first.output && (await off(first, long)),
          next: next.stats.backend,
          nextApart: await off(next, long),
        };
      }
      return { ...told, devices: devices.length };
    }, name);
    assert.equal(auto.stats.backend, "wasm");
    assert(auto.stats.fallback.startsWith("Computed in WebAssembly: "), auto.stats.fallback);
    assert.equal(auto.apart, 0);
    assert.equal(strict.code, code, strict.message);
    assert.equal(devices, opened);
    for (const { next, nextApart } of [auto, strict]) {
      assert.equal(next, "webgpu");
      assert(nextApart < 1e-4);
    }
  });
}

test("memory that the GPU really does not have", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const sb = await load({ backend: "webgpu" });
    const { createBuffer } = GPUDevice.prototype;
    // Too large for the device, as if that were too much memory: an error buffer, as after the real thing.
    GPUDevice.prototype.createBuffer = function (descriptor) {
      return createBuffer.call(this, { ...descriptor, size: 2 ** 50 });
    };
    const first = await sb.attention(short).catch(({ code }) => code);
    GPUDevice.prototype.createBuffer = createBuffer;
    const next = await sb.attention(short);
    return { first, apart: await off(next, short) };
  });
  assert.match(told.first, /^(OutOfMemory|DeviceFailed)$/);
  assert(told.apart < 1e-4);
});

test("what the GPU cannot do", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const call = { ...short, method: "sparse", support: { kind: "top-k", count: 5 } };
    const strict = await load({ backend: "webgpu", workers: 2 });
    const auto = await load({ backend: "auto", workers: 2 });
    const refusal = await strict.attention(call).catch(({ code }) => code);
    const { stats } = await auto.attention(call);
    const shared = await auto.attention({ ...call, ...tensors({ heads: 4, queries: 64, dim: 8 }) });
    const wrong = [];
    for (const options of [
      { temperature: 0 },
      { q: new Float32Array(3) },
      { k: short.k.map((x, i) => (i === 5 ? Number.NaN : x)) },
      { q: [1] },
      { shape: { queries: 64 } },
      { temprature: 1 },
      { support: { kind: "smyrf" }, method: "auto", causal: true },
    ]) {
      for (const sb of [strict, auto]) {
        wrong.push(await sb.attention({ ...short, ...options }).catch(({ code }) => code));
      }
    }
    return { refusal, stats, shared: shared.stats, wrong };
  });
  assert.equal(told.refusal, "Unsupported");
  assert.equal(told.stats.backend, "wasm");
  assert.match(told.stats.fallback, /support\.kind "top-k" on the GPU is not supported/);
  assert.equal(told.shared.workers, 2);
  const expected = [
    "InvalidOption",
    "InvalidShape",
    "NonFinite",
    "InvalidInput",
    "InvalidShape",
    "InvalidOption",
    "Unsupported",
  ];
  assert.deepEqual(
    told.wrong,
    expected.flatMap((code) => [code, code]),
  );
});
