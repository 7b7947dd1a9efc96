import assert from "node:assert/strict";
import { before, test } from "node:test";
import { load } from "scatterbrain-attention";
import { attend, distance, full, tensors } from "./support/reference.js";

/** Rounding of single precision, in the norm of a whole output. */
const CLOSE = 2e-6;

let sb;
before(async () => {
  sb = await load();
});

const everyRow = (rows, keys) => ({
  kind: "explicit",
  indptr: Array.from({ length: rows + 1 }, (_, i) => i * keys),
  indices: Array.from({ length: rows * keys }, (_, i) => i % keys),
});

const exactCases = {
  "one head": { shape: { queries: 33, dim: 16 } },
  "more keys than queries, other value dim": { shape: { queries: 5, keys: 150, dim: 8, valueDim: 3 } },
  "grouped heads": { shape: { batch: 2, heads: 6, kvHeads: 2, queries: 9, keys: 21, dim: 4, valueDim: 5 } },
  causal: { shape: { heads: 2, queries: 40, dim: 8 }, causal: true },
  sharp: { shape: { queries: 40, dim: 8 }, temperature: 0.001 },
  flat: { shape: { queries: 40, dim: 8 }, temperature: 1000, scale: 2 },
  "padding, and a sequence without keys": {
    shape: { batch: 3, queries: 7, keys: 10, dim: 4 },
    keyLengths: [10, 4, 0],
  },
  "one query, one key, one dimension": { shape: { queries: 1, dim: 1 } },
};

for (const [name, options] of Object.entries(exactCases)) {
  test(`exact: ${name}`, async () => {
    const call = { ...tensors(options.shape), ...options };
    const { output, stats } = await sb.attention({ ...call, method: "exact" });
    assert(output instanceof Float32Array);
    assert(distance(output, attend(call).output) < CLOSE);
    assert.equal(stats.method, "exact");
  });
}

test("key lengths may come as a typed array", async () => {
  const call = { ...tensors({ batch: 2, queries: 4, dim: 2 }), keyLengths: [3, 1] };
  const { output } = await sb.attention({
    ...call,
    keyLengths: Uint32Array.from(call.keyLengths),
    method: "exact",
  });
  assert(distance(output, attend(call).output) < CLOSE);
});

test("sparse is softmax over the support, in every form of indices", async () => {
  const call = tensors({ heads: 2, queries: 3, keys: 5, dim: 4 });
  const rows = [[4, 1, 1], [], [0, 2, 3, 4]];
  const expected = attend({ ...call, sees: (_, query, key) => rows[query].includes(key) }).output;
  for (const Numbers of [Array, Uint32Array, Int32Array, Float64Array]) {
    const support = {
      kind: "explicit",
      indptr: Numbers.from([0, 3, 3, 7]),
      indices: Numbers.from(rows.flat()),
    };
    const { output, stats } = await sb.attention({ ...call, support });
    assert(distance(output, expected) < CLOSE, Numbers.name);
    assert.equal(stats.method, "sparse");
    assert.equal(stats.supportEntries, 2 * 6);
  }
});

test("an empty support gives zeros", async () => {
  const support = { kind: "explicit", indptr: [0, 0, 0, 0], indices: [] };
  const { output, stats } = await sb.attention({
    ...tensors({ queries: 3, dim: 4 }),
    method: "sparse",
    support,
  });
  assert.deepEqual([...output], new Array(12).fill(0));
  assert.equal(stats.supportEntries, 0);
});

test("with every entry in the support, scatterbrain is exact", async () => {
  const call = { ...tensors({ heads: 2, queries: 20, keys: 30, dim: 8 }), temperature: 0.3 };
  const { output } = await sb.attention({ ...call, method: "scatterbrain", support: everyRow(20, 30) });
  assert(distance(output, attend(call).output) < CLOSE);
});

const estimators = [
  {},
  { budget: 0.3, split: 0.7 },
  { causal: true },
  { method: "vitality" },
  { method: "vitality", support: { kind: "window", size: 8 } },
  ...[
    { kind: "window" },
    { kind: "window", size: 16 },
    { kind: "top-k", count: 16 },
    { kind: "lsh", rounds: 3, chunk: 8 },
    { kind: "lsh", rounds: 2 },
    { kind: "smyrf", cluster: 16, rounds: 2 },
  ].flatMap((support) => [
    { method: "sparse", support },
    { method: "scatterbrain", support },
  ]),
  ...[
    { kind: "favor", count: 32 },
    { kind: "favor", count: 32, hyperbolic: true, center: true },
    { kind: "favor", count: 32, center: true, balance: true },
    { kind: "optimal", count: 33, center: true },
    { kind: "optimal", count: 33, balance: true },
    { kind: "optimal", spread: 1.5 },
    { kind: "elu" },
    { kind: "taylor" },
    { kind: "taylor", order: 2 },
  ].map((features) => ({ method: "low-rank", features })),
];

for (const options of estimators) {
  test(`finite and the same twice: ${JSON.stringify(options)}`, async () => {
    for (const temperature of [0.01, 1]) {
      const call = {
        ...tensors({ heads: 2, queries: 160, dim: 8 }),
        temperature,
        ...options,
        seed: 2 ** 53 - 1,
      };
      const { output, stats } = await sb.attention(call);
      assert.equal(output.length, 2 * 160 * 8);
      assert(output.every(Number.isFinite));
      assert.deepEqual((await sb.attention(call)).output, output);
      assert.notEqual(stats.method, "auto");
    }
  });
}

test("another seed gives other features", async () => {
  const call = { ...tensors({ queries: 64, dim: 8 }), features: { kind: "favor", count: 16 } };
  const [first, second] = await Promise.all([0, 1].map((seed) => sb.attention({ ...call, seed })));
  assert.notDeepEqual(first.output, second.output);
});

test("options that are undefined are left out", async () => {
  const call = tensors({ queries: 200, dim: 8 });
  const optional = ["method", "budget", "split", "support", "features", "temperature", "scale", "causal"];
  const names = [...optional, "keyLengths", "seed", "signal", "onProgress", "never"];
  const blanks = Object.fromEntries(names.map((name) => [name, undefined]));
  const { output } = await sb.attention({ ...call, ...blanks });
  assert.deepEqual(output, (await sb.attention(call)).output);
});

test("stats say how the call ran", async () => {
  const { stats } = await sb.attention({
    ...tensors({ heads: 2, queries: 100, dim: 8 }),
    support: { kind: "window", size: 4 },
    features: { kind: "favor", count: 24 },
  });
  assert.equal(stats.backend, "wasm");
  assert.equal(stats.instructionSet, "simd128");
  assert.equal(stats.method, "scatterbrain");
  assert.equal(stats.features, 24);
  assert.equal(stats.supportEntries, 2 * (100 * 4 - (2 + 1) - 1));
  assert(stats.peakBytes > 0 && Number.isInteger(stats.peakBytes));
  assert(stats.milliseconds > 0);
  const phases = Object.values(stats.phases);
  assert(phases.length > 0 && phases.every((milliseconds) => milliseconds >= 0));
});

test("decompose takes apart the rows that are asked for", async () => {
  const call = { ...tensors({ queries: 12, keys: 20, dim: 8, valueDim: 2 }), causal: true, budget: 0.5 };
  const options = { ...call, support: { kind: "window" }, features: { kind: "favor" } };
  const whole = await sb.decompose(options);
  const view = await sb.decompose({ ...options, rows: [5, 9] });
  assert.deepEqual([view.queries, view.keys], [4, 20]);
  for (const name of ["exact", "lowRank", "sparse", "approximation", "support"]) {
    assert.deepEqual(view[name], whole[name].slice(5 * 20, 9 * 20), name);
  }
  assert.deepEqual(view.logNormalizer, whole.logNormalizer.slice(5, 9));
});

test("decompose takes the matrix apart", async () => {
  const call = { ...tensors({ queries: 12, keys: 20, dim: 8, valueDim: 2 }), temperature: 0.5 };
  const support = everyRow(12, 5);
  const view = await sb.decompose({ ...call, support, features: { kind: "favor", count: 32 } });
  const { queries, keys } = full(call.shape);
  const exact = attend(call);
  assert.deepEqual([view.queries, view.keys], [queries, keys]);
  assert(distance(view.exact, exact.weights) < CLOSE);
  assert(Math.abs(view.entropy - exact.entropy) < 1e-5);
  const sums = view.sparse.map((x, i) => x + view.lowRank[i]);
  assert(distance(sums, view.approximation) < CLOSE);
  assert.deepEqual(
    [...view.support],
    Array.from(view.exact, (_, i) => (i % keys < 5 ? 1 : 0)),
  );
  assert(view.sparse.every((x, i) => x === 0 || view.support[i] === 1));
  assert.equal(view.stats.supportEntries, queries * 5);

  const { output } = await sb.attention({ ...call, support, features: { kind: "favor", count: 32 } });
  assert(Math.abs(view.relativeError - distance(output, exact.output)) < 1e-5);
  for (let row = 0; row < queries; row++) {
    const sum = view.approximation.subarray(row * keys, (row + 1) * keys).reduce((total, x) => total + x, 0);
    assert(Math.abs(sum - 1) < 1e-5);
    // Where the estimate is exact, only the normaliser tells it from the exact matrix.
    const ratio = Math.log(view.approximation[row * keys] / view.exact[row * keys]);
    assert(Math.abs(ratio - (view.exactLogNormalizer[row] - view.logNormalizer[row])) < 1e-4);
  }
});

test("sweep gives a point for each temperature, in order", async () => {
  const call = tensors({ heads: 2, queries: 96, dim: 8 });
  const temperatures = [1, 0.1, 10];
  const methods = ["exact", "sparse", "low-rank", "scatterbrain", "vitality"];
  const curve = await sb.sweep({ ...call, temperatures, methods, budget: 0.25 });
  assert.deepEqual(
    curve.map((point) => point.temperature),
    temperatures,
  );
  for (const { temperature, entropy, errors } of curve) {
    assert(Math.abs(entropy - attend({ ...call, temperature }).entropy) < 1e-4);
    assert.deepEqual(Object.keys(errors), methods);
    assert(errors.exact < 1e-6);
    assert(methods.slice(1).every((method) => errors[method] > 0 && Number.isFinite(errors[method])));
    const { output } = await sb.attention({ ...call, temperature, method: "low-rank", budget: 0.25 });
    assert(Math.abs(errors["low-rank"] - distance(output, attend({ ...call, temperature }).output)) < 1e-4);
  }
  const typed = await sb.sweep({
    ...call,
    temperatures: Float64Array.from(temperatures),
    methods,
    budget: 0.25,
  });
  assert.deepEqual(typed, curve);
});
