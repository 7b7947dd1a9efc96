import assert from "node:assert/strict";
import { before, test } from "node:test";
import { runInNewContext } from "node:vm";
import { load, ScatterbrainError } from "scatterbrain-attention";
import { attend, distance, tensors } from "./support/reference.js";

let sb;
before(async () => {
  sb = await load();
});

const shape = { batch: 1, heads: 4, queries: 6, keys: 8, dim: 4, valueDim: 2, kvHeads: 2 };
const good = tensors(shape);
const oneHead = tensors({ queries: 6, keys: 8, dim: 4 });

/** Rejects with this code and these words, and then still gives the right answer. */
async function refuses(promise, code, ...words) {
  await assert.rejects(promise, (error) => {
    assert(error instanceof ScatterbrainError && error instanceof Error);
    assert.equal(error.code, code, error.message);
    assert.equal(error.name, "ScatterbrainError");
    for (const word of words) assert(error.message.includes(word), `"${error.message}" lacks "${word}"`);
    return true;
  });
  const { output } = await sb.attention({ ...good, method: "exact" });
  assert(distance(output, attend(good).output) < 2e-6);
}

/** A table of bad options over good ones: `[name, options, code, ...words in the message]`. */
function table(call, base, cases) {
  for (const [name, options, code, ...words] of cases) {
    test(`${call}: ${name}`, () => refuses(sb[call]({ ...base, ...options }), code, ...words));
  }
}

const sized = (sizes) => ({ shape: { ...shape, ...sizes } });
const changed = (array, index, value) => array.map((x, i) => (i === index ? value : x));
const sizes = ["batch", "heads", "queries", "keys", "dim", "valueDim", "kvHeads"];

table("attention", good, [
  ["q too short", { q: good.q.slice(1) }, "InvalidShape", "q.length", "95", "96"],
  ["k too long", { k: new Float32Array(65) }, "InvalidShape", "k.length", "65", "64"],
  ["v empty", { v: new Float32Array(0) }, "InvalidShape", "v.length", "0", "32"],
  ["no shape", { shape: undefined }, "InvalidShape", "shape", "undefined"],
  ["null for a shape", { shape: null }, "InvalidShape", "shape", "null"],
  ["an array for a shape", { shape: [1, 4] }, "InvalidShape", "shape", "an array"],
  ["no dim", { shape: { queries: 6 } }, "InvalidShape", "shape.dim", "undefined"],
  ...sizes.flatMap((name) =>
    [0, -3, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32 + 5, 1e300, "4", null].map((value) => {
      const shown = typeof value === "string" ? `"${value}"` : String(value);
      return [`${name} ${shown}`, sized({ [name]: value }), "InvalidShape", `shape.${name}: ${shown},`];
    }),
  ),
  [
    "a product beyond memory",
    sized({ batch: 2 ** 30, queries: 2 ** 30 }),
    "InvalidShape",
    "batch",
    "queries",
  ],
  ["heads not divisible", sized({ kvHeads: 3 }), "InvalidShape", "shape.kvHeads: 3", "4"],
  ["more kvHeads than heads", sized({ kvHeads: 8 }), "InvalidShape", "shape.kvHeads: 8", "4"],

  ["NaN in q", { q: changed(good.q, 95, Number.NaN) }, "NonFinite", "q[95]", "NaN"],
  ["infinity in k", { k: changed(good.k, 0, Number.POSITIVE_INFINITY) }, "NonFinite", "k[0]", "Infinity"],
  [
    "minus infinity in v",
    { v: changed(good.v, 7, Number.NEGATIVE_INFINITY) },
    "NonFinite",
    "v[7]",
    "-Infinity",
  ],

  ["temperature 0", { temperature: 0 }, "InvalidOption", "temperature: 0,", "positive"],
  ["negative temperature", { temperature: -1 }, "InvalidOption", "temperature: -1,"],
  ["temperature NaN", { temperature: Number.NaN }, "InvalidOption", "temperature: NaN,"],
  [
    "temperature Infinity",
    { temperature: Number.POSITIVE_INFINITY },
    "InvalidOption",
    "temperature: Infinity,",
  ],
  ["temperature of text", { temperature: "1" }, "InvalidOption", 'temperature: "1",', "number"],
  ["temperature null", { temperature: null }, "InvalidOption", "temperature: null,"],
  ["scale 0", { scale: 0 }, "InvalidOption", "scale: 0,"],
  ["scale NaN", { scale: Number.NaN }, "InvalidOption", "scale: NaN,"],
  ["budget 0", { budget: 0 }, "InvalidOption", "budget: 0,"],
  ["budget over 1", { budget: 1.01 }, "InvalidOption", "budget: 1.01,"],
  ["budget NaN", { budget: Number.NaN }, "InvalidOption", "budget: NaN,"],
  ["split 0", { split: 0 }, "InvalidOption", "split: 0,"],
  ["split over 1", { split: 2 }, "InvalidOption", "split: 2,"],
  ["causal of a number", { causal: 1 }, "InvalidOption", "causal: 1,", "true or false"],
  ["negative seed", { seed: -1 }, "InvalidOption", "seed: -1,"],
  ["fractional seed", { seed: 0.5 }, "InvalidOption", "seed: 0.5,"],
  ["seed beyond 2^53", { seed: 2 ** 53 }, "InvalidOption", "seed: 9007199254740992,"],
  ["seed of another type", { seed: 5n }, "InvalidOption", "seed: 5,"],
  [
    "unknown method",
    { method: "linear" },
    "InvalidOption",
    'method: "linear",',
    '"scatterbrain"',
    '"vitality"',
  ],
  ["method of another type", { method: {} }, "InvalidOption", "method: an object,"],
  ["long text is cut", { method: "é".repeat(99) }, "InvalidOption", `"${"é".repeat(40)}…"`],

  ["unknown key", { temprature: 1 }, "InvalidOption", "temprature: 1,", "temperature"],
  ["unknown key in shape", sized({ tokens: 5 }), "InvalidOption", "shape.tokens: 5,", "queries"],
  [
    "unknown key in support",
    { support: { kind: "window", width: 3 } },
    "InvalidOption",
    "support.width: 3,",
    "size",
  ],
  ["unknown key in features", { features: { kind: "elu", m: 3 } }, "InvalidOption", "features.m: 3,", "kind"],
  ["another kind's key", { support: { kind: "window", rounds: 2 } }, "InvalidOption", "support.rounds: 2,"],
  ["a sweep's key", { temperatures: [1] }, "InvalidOption", "temperatures: an array,"],

  ["too few key lengths", { keyLengths: [] }, "InvalidOption", "keyLengths", "0", "1"],
  ["too many key lengths", { keyLengths: [8, 8] }, "InvalidOption", "keyLengths", "2", "1"],
  ["key length over keys", { keyLengths: [9] }, "InvalidOption", "keyLengths[0]: 9,", "8"],
  ["negative key length", { keyLengths: [-1] }, "InvalidOption", "keyLengths[0]: -1,"],
  ["fractional key length", { keyLengths: Float32Array.of(1.5) }, "InvalidOption", "keyLengths[0]: 1.5,"],
  ["a number for key lengths", { keyLengths: 8 }, "InvalidOption", "keyLengths: 8,", "array"],
  ["a hole in key lengths", { keyLengths: new Array(1) }, "InvalidOption", "keyLengths[0]: undefined,"],

  ["support of text", { support: "window" }, "InvalidOption", 'support: "window",', "object"],
  ["support without kind", { support: {} }, "InvalidOption", "support.kind: undefined,", '"smyrf"'],
  ["unknown support", { support: { kind: "band" } }, "InvalidOption", 'support.kind: "band",', '"window"'],
  ["unknown features", { features: { kind: "relu" } }, "InvalidOption", 'features.kind: "relu",', '"favor"'],
  ["window 0", { support: { kind: "window", size: 0 } }, "InvalidOption", "support.size: 0,"],
  ["fractional window", { support: { kind: "window", size: 2.5 } }, "InvalidOption", "support.size: 2.5,"],
  ["count NaN", { support: { kind: "top-k", count: Number.NaN } }, "InvalidOption", "support.count: NaN,"],
  ["65 rounds", { support: { kind: "lsh", rounds: 65 } }, "InvalidOption", "support.rounds: 65,", "64"],
  [
    "huge cluster",
    { support: { kind: "smyrf", cluster: 1e12 } },
    "InvalidOption",
    "support.cluster: 1000000000000,",
  ],
  ["no features", { features: { kind: "favor", count: 0 } }, "InvalidOption", "features.count: 0,"],
  [
    "features beyond reason",
    { features: { kind: "favor", count: 1e6 } },
    "InvalidOption",
    "features.count: 1000000,",
  ],
  ["negative spread", { features: { kind: "optimal", spread: -1 } }, "InvalidOption", "features.spread: -1,"],
  ["order 3", { features: { kind: "taylor", order: 3 } }, "InvalidOption", "features.order: 3,"],
  [
    "hyperbolic of text",
    { features: { kind: "favor", hyperbolic: "no" } },
    "InvalidOption",
    'hyperbolic: "no",',
  ],

  [
    "exact with support",
    { method: "exact", support: { kind: "window" } },
    "InvalidOption",
    "support",
    '"exact"',
  ],
  [
    "exact with features",
    { method: "exact", features: { kind: "elu" } },
    "InvalidOption",
    "features",
    '"exact"',
  ],
  [
    "sparse with features",
    { method: "sparse", features: { kind: "elu" } },
    "InvalidOption",
    "features",
    '"sparse"',
  ],
  [
    "low-rank with support",
    { method: "low-rank", support: { kind: "lsh" } },
    "InvalidOption",
    "support",
    '"low-rank"',
  ],
  [
    "vitality with features",
    { method: "vitality", features: { kind: "elu" } },
    "InvalidOption",
    '"vitality"',
  ],
  [
    "odd and hyperbolic",
    { features: { kind: "favor", count: 7, hyperbolic: true } },
    "InvalidOption",
    "count: 7,",
  ],
  ["causal smyrf", { causal: true, support: { kind: "smyrf" } }, "Unsupported", '"smyrf"', "causal"],
  [
    "causal and centred",
    { causal: true, features: { kind: "favor", center: true } },
    "Unsupported",
    "center",
  ],
  [
    "causal and balanced",
    { causal: true, features: { kind: "optimal", balance: true, spread: 1 } },
    "Unsupported",
    "features.balance",
  ],
  ["causal, spread measured", { causal: true, features: { kind: "optimal" } }, "Unsupported", "spread"],
]);

const explicit = (indptr, indices) => ({ support: { kind: "explicit", indptr, indices } });
const starts = [0, 1, 1, 1, 1, 1, 1];
table("attention", oneHead, [
  ["no indptr", explicit(undefined, []), "InvalidOption", "support.indptr: undefined,"],
  ["indptr of text", explicit("0", []), "InvalidOption", 'support.indptr: "0",'],
  ["too few rows", explicit([0, 1], [0]), "InvalidOption", "support.indptr", "2", "7"],
  ["empty indptr", explicit([], []), "InvalidOption", "support.indptr", "0"],
  ["first row not at 0", explicit([1, 1, 1, 1, 1, 1, 1], [0]), "InvalidOption", "support.indptr[0]: 1,"],
  ["falling row starts", explicit([0, 2, 1, 2, 2, 2, 2], [0, 1]), "InvalidOption", "support.indptr[2]: 1,"],
  ["rows beyond indices", explicit(starts, []), "InvalidOption", "support.indices", "0", "1"],
  ["indices beyond rows", explicit(starts, [0, 1]), "InvalidOption", "support.indices", "2", "1"],
  ["index beyond keys", explicit(starts, [8]), "InvalidOption", "support.indices[0]: 8,", "8"],
  ["negative index", explicit(starts, [-1]), "InvalidOption", "support.indices[0]: -1,"],
  ["negative typed index", explicit(starts, Int32Array.of(-1)), "InvalidOption", "support.indices[0]: -1,"],
  ["fractional index", explicit(starts, [0.5]), "InvalidOption", "support.indices[0]: 0.5,"],
]);

const detached = new Float32Array(96);
structuredClone(detached, { transfer: [detached.buffer] });
table("attention", good, [
  ["plain array", { q: [...good.q] }, "InvalidInput", "q: an array,", "new Float32Array(q)"],
  ["doubles", { k: Float64Array.from(good.k) }, "InvalidInput", "k: a Float64Array,", "new Float32Array(k)"],
  ["integers", { v: new Int32Array(32) }, "InvalidInput", "v: an Int32Array,", "new Float32Array(v)"],
  ["bytes", { q: Buffer.alloc(96) }, "InvalidInput", "q: a Uint8Array,"],
  ["DataView", { q: new DataView(good.q.buffer) }, "InvalidInput", "q: a DataView,", "Float32Array"],
  ["ArrayBuffer", { q: good.q.buffer }, "InvalidInput", "q: an ArrayBuffer,", "Float32Array"],
  ["nothing", { q: undefined }, "InvalidInput", "q: undefined,"],
  ["null", { v: null }, "InvalidInput", "v: null,"],
  ["a look-alike", { q: { length: 96, [Symbol.toStringTag]: "Float32Array" } }, "InvalidInput", "q: "],
  ["detached", { q: detached }, "InvalidInput", "q: a detached Float32Array", "transferred"],
  [
    "shared",
    { k: new Float32Array(new SharedArrayBuffer(256)) },
    "InvalidInput",
    "SharedArrayBuffer",
    "copy",
  ],
  ["signal of another type", { signal: {} }, "InvalidOption", "signal: an object,", "AbortSignal"],
  ["onProgress of another type", { onProgress: 5 }, "InvalidOption", "onProgress: 5,", "function"],
]);

for (const options of [undefined, null, 5, "text", [], new Float32Array(2)]) {
  test(`options that are no object: ${options}`, () =>
    refuses(sb.attention(options), "InvalidOption", "options"));
}

test("arrays of another realm are arrays", async () => {
  const q = runInNewContext("Float32Array.from(numbers)", { numbers: [...good.q] });
  assert(!(q instanceof Float32Array));
  const { output } = await sb.attention({ ...good, q, method: "exact" });
  assert(distance(output, attend(good).output) < 2e-6);
});

table("decompose", oneHead, [
  ["two sequences", tensors({ batch: 2, queries: 2, dim: 1 }), "InvalidShape", "shape.batch: 2,", "1"],
  ["two heads", tensors({ heads: 2, queries: 2, dim: 1 }), "InvalidShape", "shape.heads: 2,", "1"],
  ["wrong length", { q: new Float32Array(1) }, "InvalidShape", "q.length", "1", "24"],
  ["unknown method", { method: "best" }, "InvalidOption", 'method: "best",'],
  ["one number for rows", { rows: 3 }, "InvalidOption", "rows: 3,", "[start, end]"],
  ["one row number", { rows: [3] }, "InvalidOption", "rows: an array,", "[start, end]"],
  ["negative row", { rows: [-1, 3] }, "InvalidOption", "rows[0]: -1,"],
  ["fractional row", { rows: [0, 2.5] }, "InvalidOption", "rows[1]: 2.5,"],
  ["rows of text", { rows: [0, "2"] }, "InvalidOption", 'rows[1]: "2",'],
  ["no rows", { rows: [3, 3] }, "InvalidOption", "rows: [3, 3],", "start < end <= 6"],
  ["rows the wrong way round", { rows: [4, 2] }, "InvalidOption", "rows: [4, 2],"],
  ["rows beyond the queries", { rows: [0, 7] }, "InvalidOption", "rows: [0, 7],", "6"],
]);

test("attention: rows are decompose's", () =>
  refuses(sb.attention({ ...good, rows: [0, 1] }), "InvalidOption", "rows"));

const sweep = { ...oneHead, temperatures: [1], methods: ["exact"] };
table("sweep", sweep, [
  ["no temperatures", { temperatures: [] }, "InvalidOption", "temperatures"],
  ["temperatures left out", { temperatures: undefined }, "InvalidOption", "temperatures: undefined,"],
  ["temperature 0", { temperatures: [1, 0] }, "InvalidOption", "temperature", "0,"],
  ["negative temperature", { temperatures: [-2] }, "InvalidOption", "temperature", "-2,"],
  ["temperature NaN", { temperatures: [1, Number.NaN] }, "InvalidOption", "temperatures[1]: NaN,"],
  ["one number for temperatures", { temperatures: 1 }, "InvalidOption", "temperatures: 1,", "array"],
  ["no methods", { methods: [] }, "InvalidOption", "methods"],
  ["one name for methods", { methods: "exact" }, "InvalidOption", 'methods: "exact",', "array"],
  ["a method twice", { methods: ["sparse", "exact", "sparse"] }, "InvalidOption", "methods[2]", "sparse"],
  ["unknown method", { methods: ["exact", "dense"] }, "InvalidOption", 'methods[1]: "dense",', '"vitality"'],
  ["a single call's temperature", { temperature: 1 }, "InvalidOption", "temperature: 1,", "temperatures"],
  ["a single call's method", { method: "exact" }, "InvalidOption", 'method: "exact",', "methods"],
  ["wrong length", { k: new Float32Array(1) }, "InvalidShape", "k.length", "1", "32"],
]);
