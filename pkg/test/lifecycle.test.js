import assert from "node:assert/strict";
import { before, test } from "node:test";
import { load } from "scatterbrain-attention";
import { attend, distance, tensors } from "./support/reference.js";

let sb;
before(async () => {
  sb = await load();
});

/** Takes half a second or so: many slices. */
const long = { ...tensors({ heads: 16, queries: 2048, dim: 64 }), method: "exact" };
const short = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };

test("progress never falls and ends with one 1", async () => {
  const calls = {
    attention: { ...tensors({ heads: 2, queries: 1024, dim: 64 }), budget: 0.1 },
    decompose: { ...tensors({ queries: 512, dim: 64 }), budget: 0.1 },
    sweep: {
      ...tensors({ queries: 1024, dim: 64 }),
      temperatures: [0.1, 1],
      methods: ["sparse", "low-rank"],
    },
  };
  for (const [name, options] of Object.entries(calls)) {
    const heard = [];
    await sb[name]({ ...options, onProgress: (fraction) => heard.push(fraction) });
    assert(heard.length > 1, `${name} reported ${heard.length} times`);
    assert(heard.every((fraction, i) => fraction >= (heard[i - 1] ?? 0)));
    assert.equal(heard.indexOf(1), heard.length - 1);
  }
});

test("the event loop runs while a call does", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await sb.attention(long);
  clearInterval(timer);
  assert(turns > 10, `${turns} turns`);
});

test("a signal that is aborted already", async () => {
  const reason = new Error("changed my mind");
  const call = sb.attention({ ...short, signal: AbortSignal.abort(reason), onProgress: assert.fail });
  await assert.rejects(call, { name: "ScatterbrainError", code: "Aborted", cause: reason });
});

test("a signal that is aborted right after the call", async () => {
  const controller = new AbortController();
  const call = sb.attention({ ...short, signal: controller.signal, onProgress: assert.fail });
  controller.abort();
  await assert.rejects(call, { code: "Aborted", cause: controller.signal.reason });
});

test("cancelling stops the work at once, in every kind of call", async () => {
  const start = performance.now();
  await sb.attention(long);
  const whole = performance.now() - start;
  const calls = {
    attention: long,
    decompose: { ...tensors({ queries: 2048, dim: 64 }), budget: 0.2 },
    sweep: {
      ...tensors({ queries: 2048, dim: 64 }),
      temperatures: [0.1, 1, 10],
      methods: ["sparse", "low-rank"],
    },
  };
  for (const [name, options] of Object.entries(calls)) {
    const controller = new AbortController();
    let aborted;
    let reports = 0;
    const onProgress = () => {
      reports++;
      aborted ??= performance.now();
      controller.abort();
    };
    await assert.rejects(sb[name]({ ...options, signal: controller.signal, onProgress }), {
      code: "Aborted",
    });
    const lag = performance.now() - aborted;
    assert(lag < whole / 4, `${name} took ${lag} ms to stop, a whole call takes ${whole} ms`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(reports, 1);
  }
});

test("what onProgress throws, the call rejects with", async () => {
  const error = new RangeError("no room for a bar");
  const onProgress = () => {
    throw error;
  };
  await assert.rejects(sb.attention({ ...short, onProgress }), (thrown) => thrown === error);
  assert(distance((await sb.attention(short)).output, attend(short).output) < 2e-6);
});

test("tensors are read when the call starts", async () => {
  const call = { ...long, q: long.q.slice(), k: long.k.slice(), v: long.v.slice() };
  const pending = sb.attention(call);
  for (const tensor of [call.q, call.k, call.v]) tensor.fill(Number.NaN);
  structuredClone(call.q, { transfer: [call.q.buffer] });
  assert.deepEqual((await pending).output, (await sb.attention(long)).output);
});

test("calls in flight together do not disturb each other", async () => {
  const calls = Array.from({ length: 6 }, (_, i) => ({
    ...tensors({ heads: 2, queries: 200 + 40 * i, dim: 16 }, i),
    ...(i % 2 ? { budget: 0.2, seed: i } : { method: "exact" }),
  }));
  const alone = [];
  for (const call of calls) alone.push((await sb.attention(call)).output);
  const another = await load();
  const together = await Promise.all(calls.map((call, i) => (i % 3 ? sb : another).attention(call)));
  assert.deepEqual(
    together.map(({ output }) => output),
    alone,
  );
  another.dispose();
});

test("a failing call leaves those beside it alone", async () => {
  const good = sb.attention(long);
  await assert.rejects(sb.attention({ ...short, temperature: -1 }), { code: "InvalidOption" });
  await assert.rejects(sb.attention({ ...short, q: new Float32Array(1) }), { code: "InvalidShape" });
  assert.equal((await good).output.length, long.q.length);
});

test("a call too large for the memory is refused, and the next one runs", async () => {
  const huge = { q: new Float32Array(1 << 20), k: new Float32Array(1 << 20), v: new Float32Array(1 << 20) };
  await assert.rejects(sb.decompose({ ...huge, shape: { queries: 1 << 20, dim: 1 } }), {
    code: "OutOfMemory",
  });
  assert(distance((await sb.attention(short)).output, attend(short).output) < 2e-6);
});

test("disposing ends calls in flight and later ones, and no others", async () => {
  const mine = await load();
  const pending = mine.attention(long);
  mine.dispose();
  mine.dispose();
  await assert.rejects(pending, { code: "Disposed" });
  for (const name of ["attention", "decompose", "sweep", "robustPca"]) {
    await assert.rejects(mine[name](short), { name: "ScatterbrainError", code: "Disposed" });
  }
  assert.equal((await sb.attention(short)).output.length, short.q.length);
});
