import assert from "node:assert/strict";
import { test } from "node:test";
import { log, meddle, open } from "./support/webgpu.js";

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
      told.push(sb.backend);
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
      causal: true,
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
    for (const [backend, temperatures, methods] of [
      ["auto", [1], ["exact"]],
      ["auto", [0.1, 1], ["sparse", "low-rank"]],
      ["webgpu", [0.1, 1, 10], ["exact"]],
    ]) {
      const sb = await load({ backend });
      const call = { ...tensors({ heads: 2, queries: 200, dim: 16 }), temperatures, methods };
      const heard = [];
      const points = await sb.sweep({ ...call, onProgress: (fraction) => heard.push(fraction) });
      const wanted = await plain.sweep(call);
      const apart = points.map((point, i) => Math.abs(point.entropy - wanted[i].entropy));
      const rising = heard.every((fraction, i) => i === 0 || fraction >= heard[i - 1]);
      const wrong = { ...call, temperatures: [1, -1] };
      told.push({
        names: points.map(({ temperature, errors }) => [temperature, Object.keys(errors)]),
        wanted: wanted.map(({ temperature, errors }) => [temperature, Object.keys(errors)]),
        apart: Math.max(...apart),
        rising: rising && heard.indexOf(1) === heard.length - 1,
        refusal: await sb.sweep(wrong).catch(({ code, message }) => `${code} ${message}`),
      });
    }
    return told;
  });
  for (const { names, wanted, apart, rising, refusal } of told) {
    assert.deepEqual(names, wanted);
    assert(apart < 1e-4 && rising, `${apart} ${rising}`);
    assert.match(refusal, /^InvalidOption Unexpected temperatures\[1\]: -1/);
  }
});

test("a sweep goes on where it was faster, and elsewhere if the device is lost", async (t) => {
  const page = await open(t);
  await page.evaluate(meddle);
  const told = await page.evaluate(async () => {
    const folder = "/node_modules/scatterbrain-attention/dist";
    const { Job } = await import(`${folder}/wasm/scatterbrain.js`);
    const { GpuJob } = await import(`${folder}/wasm-webgpu/webgpu.js`);
    const steps = [];
    let slow;
    // WebAssembly takes one step for all of this, the GPU a dozen for each temperature.
    for (const [job, pause] of [
      [Job, 3000],
      [GpuJob, 100],
    ]) {
      const { step } = job.prototype;
      job.prototype.step = function (...milliseconds) {
        const start = performance.now();
        while (job === slow && performance.now() < start + pause);
        steps.push(job === Job ? "wasm" : "webgpu");
        return step.apply(this, milliseconds);
      };
    }
    const call = {
      ...tensors({ queries: 150, dim: 16 }),
      temperatures: [0.1, 1, 10],
      methods: ["exact"],
      causal: true,
    };
    const told = [];
    const sb = await load({ backend: "auto" });
    // The first one waits for the shader to be compiled.
    for (slow of [GpuJob, GpuJob, Job]) {
      await sb.sweep(call);
      told.push(steps.at(-1));
    }
    slow = undefined;
    for (const backend of ["auto", "webgpu"]) {
      const sb = await load({ backend });
      const onProgress = () => devices.at(-1).destroy();
      const points = sb.sweep({ ...call, onProgress });
      told.push(
        await points.then(
          ({ length }) => length,
          ({ code }) => code,
        ),
      );
    }
    return told;
  });
  assert.deepEqual(told, ["wasm", "wasm", "webgpu", 3, "DeviceLost"]);
});
