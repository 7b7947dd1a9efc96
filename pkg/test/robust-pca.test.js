import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load, ScatterbrainError } from "scatterbrain-attention";
// The glue is no part of the interface. It is what a test breaks on purpose.
import { RobustPcaJob } from "../dist/wasm-robust-pca/robust_pca.js";
import { attend, distance, numbers, tensors } from "./support/reference.js";

const address = new URL(import.meta.resolve("scatterbrain-attention/robust-pca.wasm"));

/** A matrix of low rank plus entries of size 1 to 10, both known. */
function planted(rows, columns, rank, share, seed = 1) {
  const left = numbers(rows * rank, seed);
  const right = numbers(columns * rank, seed + 1);
  const [where, size] = [numbers(rows * columns, seed + 2), numbers(rows * columns, seed + 3)];
  const lowRank = new Float64Array(rows * columns);
  let corrupted = 0;
  const matrix = Float32Array.from(lowRank, (_, n) => {
    const [i, j] = [Math.floor(n / columns), n % columns];
    for (let r = 0; r < rank; r++) lowRank[n] += left[i * rank + r] * right[j * rank + r];
    // Uniform in [-1, 1].
    if (Math.abs(where[n]) >= share) return lowRank[n];
    corrupted++;
    return lowRank[n] + Math.sign(size[n]) * (1 + 9 * Math.abs(size[n]));
  });
  return { call: { matrix, rows, columns }, lowRank, rank, corrupted };
}

function assertRecovered(parts, { call, lowRank, rank, corrupted }) {
  assert(distance(parts.lowRank, lowRank) < 1e-6);
  assert(parts.converged && parts.residual <= 1e-7 && parts.iterations <= 40);
  assert.deepEqual([parts.rows, parts.columns], [call.rows, call.columns]);
  assert.equal(parts.rank, rank);
  assert.equal(parts.nonzeros, corrupted);
  assert.equal(parts.sparse.filter((x) => x !== 0).length, corrupted);
  assert.equal(parts.singularValues.length, rank);
  assert(
    parts.singularValues.every((value, i) => value > 0 && value <= (parts.singularValues[i - 1] ?? value)),
  );
}

const small = planted(60, 40, 3, 0.05);
// Takes a second or more.
const large = planted(400, 400, 8, 0.1);

// First, while nothing is loaded.
test("a module that cannot be had fails the call, and a later one does not have to", async () => {
  const wrong = {
    "a path that is not there": "nowhere/robust-pca.wasm",
    "the other module": new URL(import.meta.resolve("scatterbrain-attention/scatterbrain.wasm")),
    "bytes that are no module": Uint8Array.of(1, 2, 3),
  };
  for (const robustPca of Object.values(wrong)) {
    const sb = await load({ robustPca });
    await assert.rejects(sb.robustPca(small.call), { name: "ScatterbrainError", code: "LoadFailed" });
    const call = { ...tensors({ queries: 8, dim: 4 }), method: "exact" };
    assert(distance((await sb.attention(call)).output, attend(call).output) < 2e-6);
    sb.dispose();
  }
});

test("what is given may change while the module is on its way", async () => {
  const sb = await load();
  const call = { ...small.call, matrix: small.call.matrix.slice() };
  const pending = sb.robustPca(call);
  call.matrix.fill(Number.NaN);
  assertRecovered(await pending, small);
});

test("calls at the same time, before the module is there and after", async () => {
  const sb = await load();
  const problems = [3, 4, 5].map((seed) => planted(50, 70, 4, 0.05, seed));
  for (const _ of ["before", "after"]) {
    const parts = await Promise.all(problems.map(({ call }) => sb.robustPca(call)));
    parts.forEach((part, i) => {
      assertRecovered(part, problems[i]);
    });
  }
});

test("every way to give the module", async () => {
  const bytes = readFileSync(address);
  for (const robustPca of [address, address.href, bytes, new WebAssembly.Module(bytes)]) {
    const sb = await load({ robustPca });
    assertRecovered(await sb.robustPca(small.call), small);
    sb.dispose();
  }
  await assert.rejects(load({ robustPca: 5 }), { code: "InvalidOption", message: /robustPca: 5/ });
});

test("planted parts of a larger matrix are recovered, and progress never falls", async () => {
  const sb = await load();
  const heard = [];
  const parts = await sb.robustPca({ ...large.call, onProgress: (fraction) => heard.push(fraction) });
  assertRecovered(parts, large);
  assert(new Set(heard).size > 10, `${heard}`);
  assert(heard.every((fraction, i) => fraction >= (heard[i - 1] ?? 0)));
  assert.equal(heard.indexOf(1), heard.length - 1);
  assert.equal(parts.stats.backend, "wasm");
  assert.equal(parts.stats.instructionSet, "simd128");
  assert(parts.stats.milliseconds > 0 && parts.stats.peakBytes > 8 * 10 * large.lowRank.length);
});

test("options do what they say", async () => {
  const sb = await load();
  const { call } = small;
  assert.equal((await sb.robustPca({ ...call, lambda: 1e6 })).nonzeros, 0);
  assert.equal((await sb.robustPca({ ...call, lambda: 1e-6 })).rank, 0);
  const few = await sb.robustPca({ ...call, maxIterations: 2 });
  assert.deepEqual([few.iterations, few.converged], [2, false]);
  const coarse = await sb.robustPca({ ...call, tolerance: 1e-2 });
  assert(coarse.converged && coarse.residual > 1e-7 && coarse.residual <= 1e-2);
});

test("a head is its attention matrix", async () => {
  const sb = await load();
  const head = { ...tensors({ queries: 30, keys: 36, dim: 5 }), scale: 3, temperature: 0.5 };
  const { q, k, shape, scale, temperature } = head;
  for (const masks of [{}, { causal: true }, { keyLengths: [20] }, { causal: true, keyLengths: [20] }]) {
    const { weights } = attend({ ...head, ...masks });
    const parts = await sb.robustPca({ q, k, shape, scale, temperature, ...masks });
    assert.deepEqual([parts.rows, parts.columns], [30, 36]);
    const sum = parts.lowRank.map((x, i) => x + parts.sparse[i]);
    assert(distance(sum, weights) < 2e-6, `${distance(sum, weights)}`);
    const same = await sb.robustPca({ matrix: Float32Array.from(weights), rows: 30, columns: 36 });
    assert.equal(parts.rank, same.rank);
  }
});

test("cancelling stops the work at once", async () => {
  const sb = await load();
  const reason = new Error("changed my mind");
  const early = sb.robustPca({ ...large.call, signal: AbortSignal.abort(reason) });
  await assert.rejects(early, { code: "Aborted", cause: reason });
  const start = performance.now();
  await sb.robustPca(large.call);
  const whole = performance.now() - start;
  const controller = new AbortController();
  let aborted;
  const onProgress = () => {
    aborted ??= performance.now();
    controller.abort();
  };
  await assert.rejects(sb.robustPca({ ...large.call, signal: controller.signal, onProgress }), {
    code: "Aborted",
  });
  const lag = performance.now() - aborted;
  assert(lag < whole / 4, `${lag} ms to stop, a whole call takes ${whole} ms`);
  assertRecovered(await sb.robustPca(small.call), small);
});

test("a trap fails the calls in flight, and neither module is lost", async (t) => {
  const sb = await load();
  const beside = sb.robustPca(large.call);
  await sb.robustPca(small.call);
  const trap = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  t.mock.method(RobustPcaJob.prototype, "step", trap, { times: 1 });
  await assert.rejects(beside, { code: "Internal", message: /unreachable/ });
  assertRecovered(await sb.robustPca(small.call), small);
  const call = { ...tensors({ queries: 8, dim: 4 }), method: "exact" };
  assert(distance((await sb.attention(call)).output, attend(call).output) < 2e-6);
});

test("disposing ends calls in flight and later ones", async () => {
  const sb = await load();
  const pending = sb.robustPca(large.call);
  sb.dispose();
  await assert.rejects(pending, { code: "Disposed" });
  await assert.rejects(sb.robustPca(small.call), { code: "Disposed" });
});

/** Rejects with this code and these words, and then still gives the right answer. */
async function refuses(options, code, ...words) {
  const sb = await load();
  await assert.rejects(sb.robustPca(options), (error) => {
    assert(error instanceof ScatterbrainError);
    assert.equal(error.code, code, error.message);
    for (const word of words) assert(error.message.includes(word), `"${error.message}" lacks "${word}"`);
    return true;
  });
  assertRecovered(await sb.robustPca(small.call), small);
  sb.dispose();
}

const base = { matrix: new Float32Array(6), rows: 2, columns: 3 };
const { q, k, shape } = tensors({ queries: 4, dim: 2 });
const head = { q, k, shape };
const { matrix, rows, columns } = base;

for (const [name, options, code, ...words] of [
  ["nothing", {}, "InvalidInput", "matrix: undefined", "q and k"],
  ["no object", 5, "InvalidOption", "options: 5"],
  [
    "plain array",
    { ...base, matrix: [1, 2] },
    "InvalidInput",
    "matrix: an array",
    "new Float32Array(matrix)",
  ],
  ["wrong length", { ...base, matrix: new Float32Array(5) }, "InvalidShape", "matrix.length: 5", "6"],
  ["no rows", { matrix, columns }, "InvalidShape", "rows: undefined"],
  ["no columns", { matrix, rows }, "InvalidShape", "columns: undefined"],
  ...[0, -1, 1.5, Number.NaN, 2 ** 31, "2", null].map((value) => {
    const shown = typeof value === "string" ? `"${value}"` : String(value);
    return [`rows ${shown}`, { ...base, rows: value }, "InvalidShape", `rows: ${shown},`];
  }),
  ["beyond memory", { ...base, rows: 2 ** 30, columns: 2 ** 30 }, "InvalidShape", "matrix.length: 6"],
  ["NaN", { ...base, matrix: Float32Array.of(0, 0, 0, 0, Number.NaN, 0) }, "NonFinite", "matrix[4]", "NaN"],
  ["lambda 0", { ...base, lambda: 0 }, "InvalidOption", "lambda: 0,"],
  ["lambda of text", { ...base, lambda: "1" }, "InvalidOption", 'lambda: "1",'],
  ["tolerance 1", { ...base, tolerance: 1 }, "InvalidOption", "tolerance: 1,"],
  ["no iterations", { ...base, maxIterations: 0 }, "InvalidOption", "maxIterations: 0,"],
  ["many iterations", { ...base, maxIterations: 1e6 }, "InvalidOption", "maxIterations: 1000000,", "10000"],
  ["unknown key", { ...base, lamda: 1 }, "InvalidOption", "lamda: 1,", "lambda"],
  ["a head's key", { ...base, causal: true }, "InvalidOption", "causal: true,"],
  ["signal of another type", { ...base, signal: {} }, "InvalidOption", "signal: an object,"],
  ["matrix and q", { ...base, q }, "InvalidOption", "q: a Float32Array,", "nothing beside matrix"],
  ["matrix and k", { ...base, k }, "InvalidOption", "k: a Float32Array,"],
  ["q alone", { q, shape }, "InvalidInput", "k: undefined,"],
  ["rows of a head", { ...head, rows: 4 }, "InvalidOption", "rows: 4,", "shape"],
  ["values of a head", { ...head, v: k }, "InvalidOption", "v: an object,"],
  ["no shape", { q, k }, "InvalidShape", "shape: undefined,"],
  ["two heads", { ...head, shape: { heads: 2, queries: 2, dim: 2 } }, "InvalidShape", "shape.heads: 2,"],
  ["short q", { ...head, q: new Float32Array(1) }, "InvalidShape", "q.length: 1,", "8"],
  ["temperature 0", { ...head, temperature: 0 }, "InvalidOption", "temperature: 0,"],
  ["too many key lengths", { ...head, keyLengths: [1, 2] }, "InvalidOption", "keyLengths"],
  ["infinite q", { ...head, q: q.map(() => Number.POSITIVE_INFINITY) }, "NonFinite", "q[0]", "Infinity"],
]) {
  test(`robustPca: ${name}`, () => refuses(options, code, ...words));
}

test("a matrix too large for the memory is refused, and the next one is not", async () => {
  const [rows, columns] = [9000, 9000];
  await refuses({ matrix: new Float32Array(rows * columns), rows, columns }, "OutOfMemory");
});

test("degenerate matrices", async () => {
  const sb = await load();
  const zeros = await sb.robustPca(base);
  assert.deepEqual([zeros.rank, zeros.nonzeros, zeros.residual, zeros.converged], [0, 0, 0, true]);
  for (const [rows, columns] of [
    [1, 1],
    [1, 9],
    [9, 1],
  ]) {
    const matrix = new Float32Array(rows * columns).fill(3e38);
    const parts = await sb.robustPca({ matrix, rows, columns });
    assert(
      distance(
        parts.lowRank.map((x, i) => x + parts.sparse[i]),
        matrix,
      ) < 1e-6,
    );
  }
});
