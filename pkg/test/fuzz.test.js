import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "scatterbrain-attention";
import { numbers, tensors } from "./support/reference.js";

let drawn = 0;
const draw = numbers(1 << 17, 7);
const pick = (values) => values[Math.floor(((draw[drawn++ % draw.length] + 1) / 2) * values.length)];
const maybe = (value) => pick([undefined, value]);

const strange = () =>
  pick([
    null,
    0,
    -1,
    1,
    2,
    7,
    64,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 31,
    2 ** 32,
    1e300,
    "3",
    [],
    {},
  ]);
const size = () => pick([undefined, 1, 2, 3, 8, 63, 1024, 2 ** 30]);
const rounds = () => pick([undefined, 1, 2, 64]);

const support = () =>
  pick([
    () => undefined,
    () => ({ kind: "window", size: size() }),
    () => ({ kind: "top-k", count: size() }),
    () => ({ kind: "lsh", rounds: rounds(), chunk: size() }),
    () => ({ kind: "smyrf", rounds: rounds(), cluster: size() }),
    () => ({
      kind: "explicit",
      indptr: pick([[0, 0], [0, 1, 2], new Uint32Array(4)]),
      indices: pick([[], [0, 1]]),
    }),
    () => ({ kind: pick(["window", "lsh"]), size: strange(), chunk: strange() }),
  ])();

const features = () =>
  pick([
    () => undefined,
    () => ({
      kind: "favor",
      count: size(),
      hyperbolic: maybe(true),
      center: maybe(true),
      balance: maybe(true),
    }),
    () => ({ kind: "optimal", count: size(), center: maybe(true), balance: maybe(true), spread: maybe(2) }),
    () => ({ kind: "elu" }),
    () => ({ kind: "taylor", order: pick([undefined, 1, 2]) }),
    () => ({ kind: "favor", count: strange() }),
  ])();

function shape() {
  const sizes = {
    batch: pick([undefined, 1, 2]),
    heads: pick([undefined, 1, 2, 4]),
    kvHeads: pick([undefined, undefined, 1, 2]),
    queries: pick([1, 2, 3, 17, 64]),
    keys: pick([undefined, 1, 2, 33, 200]),
    dim: pick([1, 2, 3, 8, 17]),
    valueDim: pick([undefined, 1, 5]),
  };
  return Object.fromEntries(Object.entries(sizes).filter(([, value]) => value !== undefined));
}

function call(kind, seed) {
  const options = { ...tensors(shape(), seed) };
  const power = pick([1, 1, 30, 1e3, 1e-20]);
  options.q = options.q.map((x) => x * power);
  Object.assign(options, {
    support: support(),
    features: features(),
    budget: pick([undefined, 0.01, 0.5, 1, 1e-300]),
    split: pick([undefined, 0.01, 0.99]),
    causal: pick([undefined, true, false]),
    keyLengths: pick([undefined, undefined, [0], [1], [0, 1]]),
    seed: pick([undefined, 0, 2 ** 53 - 1]),
  });
  const methods = ["auto", "exact", "sparse", "low-rank", "scatterbrain", "vitality"];
  const temperature = () => pick([1e-6, 0.01, 1, 100]);
  if (kind === "sweep") Object.assign(options, { temperatures: [temperature()], methods: [pick(methods)] });
  else Object.assign(options, { temperature: maybe(temperature()), method: maybe(pick(methods)) });
  if (pick([true, false, false, false])) options[pick(Object.keys(options))] = strange();
  if (pick([true, false, false, false])) options.shape = { ...options.shape, dim: strange() };
  return options;
}

const finite = (value) =>
  typeof value === "number"
    ? Number.isFinite(value)
    : typeof value !== "object" || Object.values(value).every(finite);

test("whatever it is given, a call gives finite numbers or a reason", async () => {
  const sb = await load();
  const ends = {};
  for (let i = 0; i < 3000; i++) {
    const kind = pick(["attention", "attention", "decompose", "sweep"]);
    const options = call(kind, i);
    const shown = () => `${kind} ${JSON.stringify({ ...options, q: "", k: "", v: "" })}`;
    try {
      const result = await sb[kind](options);
      // The logarithm of a row without keys is minus infinity.
      delete result.logNormalizer;
      delete result.exactLogNormalizer;
      assert(finite(result), shown());
      ends.fine = (ends.fine ?? 0) + 1;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      const expected = ["InvalidShape", "InvalidOption", "InvalidInput", "Unsupported", "OutOfMemory"];
      assert(expected.includes(error.code), `${error.code}: ${error.message}, from ${shown()}`);
      ends[error.code] = (ends[error.code] ?? 0) + 1;
    }
  }
  assert(ends.fine > 300, JSON.stringify(ends));
});
