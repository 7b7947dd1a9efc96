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

/** In a page: what goes wrong with the devices of `load`, on demand. */
function meddle() {
  const { requestDevice } = GPUAdapter.prototype;
  globalThis.devices = [];
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };
  /** Once, an error where there was none. */
  globalThis.answer = (error) => {
    const { popErrorScope } = GPUDevice.prototype;
    GPUDevice.prototype.popErrorScope = function () {
      GPUDevice.prototype.popErrorScope = popErrorScope;
      return popErrorScope.call(this).then(() => error);
    };
  };
  globalThis.long = { ...tensors({ heads: 4, queries: 640, dim: 64 }), method: "exact" };
  globalThis.short = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };
  /** How far a call's result is from that of WebAssembly. */
  globalThis.off = async ({ output }, call) => {
    const plain = await load();
    const wanted = await plain.attention(call);
    plain.dispose();
    return distance(output, wanted.output);
  };
}

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

test("the module is fetched only where it is asked for", async (t) => {
  for (const backend of [undefined, "wasm", "auto"]) {
    const page = await open(t);
    log.length = 0;
    await page.evaluate(async (backend) => {
      const sb = await load({ backend });
      await sb.attention({ ...tensors({ queries: 64, dim: 8 }), method: "exact" });
    }, backend);
    const fetched = log.filter((path) => /webgpu_bg\.wasm$/.test(path)).length;
    assert.equal(fetched, backend === "auto" ? 1 : 0, `${backend}`);
  }
});

test("a module that is kept elsewhere, and one that cannot be had", async (t) => {
  const page = await open(t);
  const told = await page.evaluate(async () => {
    const own = "/node_modules/scatterbrain-attention/dist/wasm-webgpu/webgpu_bg.wasm";
    const bytes = await (await fetch(own)).arrayBuffer();
    const told = [];
    for (const webgpu of [own, new URL(own, location), bytes, await WebAssembly.compile(bytes)]) {
      const sb = await load({ backend: "webgpu", webgpu });
      told.push((await sb.attention(tensors({ queries: 8, dim: 8 }))).stats.backend);
      sb.dispose();
    }
    const other = own.replaceAll("wasm-webgpu/webgpu", "wasm/scatterbrain");
    told.push(await load({ backend: "webgpu", webgpu: other }).catch(({ code, message }) => [code, message]));
    const auto = await load({ backend: "auto", webgpu: Uint8Array.of(1) });
    told.push((await auto.attention(tensors({ queries: 8, dim: 8 }))).stats.fallback);
    return told;
  });
  assert.deepEqual(told.slice(0, 4), ["webgpu", "webgpu", "webgpu", "webgpu"]);
  assert.equal(told[4][0], "LoadFailed");
  assert.match(told[4][1], /it is not this package's module/);
  assert.match(told[5], /^Computed in WebAssembly: Could not load the WebAssembly module/);
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
        answer(new globalThis[name]("on purpose"));
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

test("what is given is read when the call starts", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const told = [];
    for (const backend of ["auto", "webgpu"]) {
      const sb = await load({ backend });
      for (const loses of [false, true]) {
        if (loses) {
          devices.at(-1).destroy();
          await devices.at(-1).lost;
        }
        const call = {
          ...short,
          q: short.q.slice(),
          k: short.k.slice(),
          v: short.v.slice(),
          shape: { ...short.shape },
        };
        const pending = sb.attention(call);
        for (const tensor of [call.q, call.k, call.v]) tensor.fill(Number.NaN);
        call.shape.queries = 3;
        told.push(await off(await pending, short));
      }
    }
    return told;
  });
  for (const apart of told) assert(apart < 1e-4, `${told}`);
});

test("several calls at once, and some that are aborted", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const sb = await load({ backend: "webgpu" });
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const aborted = sb
      .attention({
        ...long,
        signal: controller.signal,
        onProgress: (fraction) => fraction > 0.1 && controller.abort(reason),
      })
      .catch((error) => [error.code, error.cause === reason]);
    const calls = [1, 2, 3, 4].map((heads) => ({
      ...tensors({ heads, queries: 200 + heads, dim: 24 }, heads),
      method: "exact",
    }));
    const results = await Promise.all(calls.map((call) => sb.attention(call)));
    const apart = [];
    for (const [i, call] of calls.entries()) apart.push(await off(results[i], call));
    const code = await aborted;
    apart.push(await off(await sb.attention(long), long));
    const early = await sb.attention({ ...long, signal: AbortSignal.abort() }).catch(({ code }) => code);
    const thrown = await sb
      .attention({
        ...short,
        onProgress: () => {
          throw new RangeError("no room");
        },
      })
      .catch(({ message }) => message);
    return { apart, code, early, thrown };
  });
  for (const apart of told.apart) assert(apart < 1e-4, `${told.apart}`);
  assert.deepEqual(told.code, ["Aborted", true]);
  assert.equal(told.early, "Aborted");
  assert.equal(told.thrown, "no room");
});

test("disposing ends calls, and frees the device", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const [mine, other] = [await load({ backend: "webgpu" }), await load({ backend: "auto" })];
    const pending = mine.attention(long);
    const beside = other.attention(long);
    await new Promise((resolve) => setTimeout(resolve, 50));
    mine.dispose();
    const codes = [
      await pending.catch(({ code }) => code),
      await mine.attention(short).catch(({ code }) => code),
    ];
    const lost = await devices[0].lost;
    const apart = await off(await beside, long);
    const { stats } = await other.attention(short);
    other.dispose();
    await devices[1].lost;
    // The module has been restarted by now.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = await load({ backend: "webgpu" });
    return {
      codes,
      lost: lost.reason,
      apart,
      backend: stats.backend,
      again: (await again.attention(short)).stats.backend,
    };
  });
  assert.deepEqual(told.codes, ["Disposed", "Disposed"]);
  assert.equal(told.lost, "destroyed");
  assert(told.apart < 1e-4);
  assert.deepEqual([told.backend, told.again], ["webgpu", "webgpu"]);
});

test("in a tab that nobody sees", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const pending = page.evaluate(async () => {
    const sb = await load({ backend: "webgpu" });
    const result = await sb.attention(long);
    return off(result, long);
  });
  const other = await open(t);
  await other.bringToFront();
  assert((await pending) < 1e-4);
});

test("a thousand calls leave nothing behind", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const { buffers, memory } = await page.evaluate(async () => {
    let alive = 0;
    const { createBuffer } = GPUDevice.prototype;
    const { destroy } = GPUBuffer.prototype;
    GPUDevice.prototype.createBuffer = function (...options) {
      alive++;
      return createBuffer.apply(this, options);
    };
    GPUBuffer.prototype.destroy = function () {
      alive--;
      destroy.call(this);
    };
    const sb = await load({ backend: "webgpu" });
    const { default: instance } = await import(
      "/node_modules/scatterbrain-attention/dist/wasm-webgpu/webgpu.js"
    );
    const buffers = [];
    const memory = [];
    for (let i = 0; i < 1000; i++) {
      await sb.attention(short);
      if (i % 100 === 99) {
        buffers.push(alive);
        memory.push((await instance()).memory.buffer.byteLength);
      }
    }
    return { buffers, memory };
  });
  assert(buffers[9] <= buffers[0] && buffers[0] < 40, `${buffers}`);
  assert.equal(memory[9], memory[0], `${memory}`);
});

test("a sweep on whichever is faster", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const plain = await load();
    const told = [];
    for (const backend of ["auto", "webgpu"]) {
      const sb = await load({ backend });
      for (const [temperatures, methods] of [
        [[1], ["exact"]],
        [[0.1, 1, 10], ["exact"]],
        [
          [0.1, 1],
          ["sparse", "low-rank"],
        ],
      ]) {
        const call = { ...tensors({ heads: 2, queries: 200, dim: 16 }), temperatures, methods };
        const heard = [];
        const points = await sb.sweep({ ...call, onProgress: (fraction) => heard.push(fraction) });
        const wanted = await plain.sweep(call);
        const apart = points.map((point, i) => Math.abs(point.entropy - wanted[i].entropy));
        const rising = heard.every((fraction, i) => i === 0 || fraction >= heard[i - 1]);
        told.push({
          keys: JSON.stringify(points.map(({ temperature, errors }) => [temperature, Object.keys(errors)])),
          wanted: JSON.stringify(wanted.map(({ temperature, errors }) => [temperature, Object.keys(errors)])),
          apart: Math.max(...apart),
          rising: rising && heard.indexOf(1) === heard.length - 1,
        });
      }
      const wrong = { ...short, method: undefined, temperatures: [1, -1], methods: ["exact"] };
      told.push(await sb.sweep(wrong).catch(({ code, message }) => `${code} ${message}`));
    }
    return told;
  });
  for (const point of told) {
    if (typeof point === "string") {
      assert.match(point, /^InvalidOption Unexpected temperatures\[1\]: -1/);
      continue;
    }
    assert.equal(point.keys, point.wanted);
    assert(point.apart < 1e-4 && point.rising, JSON.stringify(point));
  }
});
