/** What is measured. Work is counted as 4 · tokens² · dim · heads flops: two products, and nothing for the softmax. */

const ALL = ["ours", "simd128", "webgpu", "limit", "onnxruntime", "tfjs", "jax"];

/** Softmax attention, here of normal numbers: its time does not depend on them. */
function exact(heads, tokens, dim, by = ALL) {
  return {
    id: `exact-${heads}x${tokens}x${dim}`,
    kind: "exact",
    heads,
    tokens,
    dim,
    by,
    data: "normal",
    options: { method: "exact" },
  };
}

/** One head of tokens like those of a trained model. */
function estimate(label, tokens, options, by = ["ours", "simd128", "webgpu"]) {
  return {
    id: `${label}-${tokens}`,
    kind: "estimate",
    label,
    heads: 1,
    tokens,
    dim: 64,
    by,
    data: "head",
    options,
  };
}

const favor = (count) => ({ kind: "favor", count });

/** Each group begins with exact attention of the same tokens, for comparison, where that takes no minute. */
const ESTIMATES = [
  estimate("exact", 4096, { method: "exact" }),
  estimate("low rank, 64 FAVOR+ features", 4096, { method: "low-rank", features: favor(64) }, [
    "ours",
    "simd128",
    "webgpu",
    "onnxruntime",
  ]),
  estimate("exact", 4097, { method: "exact" }),
  estimate("default, budget 6.25 %", 4097, { method: "scatterbrain", budget: 0.0625 }),
  estimate("exact", 8192, { method: "exact" }),
  estimate("SMYRF, 2 rounds of 64, + 128 FAVOR+ features", 8192, {
    method: "scatterbrain",
    support: { kind: "smyrf", rounds: 2, cluster: 64 },
    features: favor(128),
  }),
  defaultOf256(65536),
];

function defaultOf256(tokens) {
  return estimate("default, 256 floats a query", tokens, { method: "scatterbrain", budget: 256 / tokens });
}

/** The rest of the estimators, at a length that exact attention takes easily, and at one that it takes half a minute for. */
const OTHERS = [4096, 65536].flatMap((tokens) => [
  estimate("window of 129, + 128 FAVOR+ features", tokens, both({ kind: "window", size: 64 }), ["ours"]),
  estimate(
    "LSH, 2 chunks of 64, + 128 FAVOR+ features",
    tokens,
    both({ kind: "lsh", rounds: 2, chunk: 64 }),
    ["ours"],
  ),
  estimate("128 optimal features", tokens, lowRank({ kind: "optimal", count: 128 }), ["ours"]),
  estimate("elu", tokens, lowRank({ kind: "elu" }), ["ours"]),
  estimate("Taylor, first order", tokens, lowRank({ kind: "taylor", order: 1 }), ["ours"]),
  estimate("256 landmarks", tokens, lowRank({ kind: "landmarks", count: 256 }), ["ours"]),
]);

function both(support) {
  return { method: "scatterbrain", support, features: favor(128) };
}

function lowRank(features) {
  return { method: "low-rank", features };
}

const LIMITS = ["registers", "microkernel", "exp", "copy"].map((loop) => ({
  id: `limit-${loop}`,
  kind: "limit",
  loop,
  by: ["limit"],
}));

/** `size`: "quick" for a smoke test, "long" to go to 8192 tokens exactly, and to 131072 otherwise. */
export function tasks(size) {
  if (size === "quick") {
    return [
      ...LIMITS,
      ...[512, 1024].map((tokens) => exact(1, tokens, 64)),
      exact(8, 512, 64),
      ...ESTIMATES.filter(({ tokens }) => tokens < 8192),
    ];
  }
  const tokens = [512, 1024, 2048, 4096, ...(size === "long" ? [8192] : [])];
  return [
    ...LIMITS,
    ...[1, 8].flatMap((heads) => tokens.map((tokens) => exact(heads, tokens, 64))),
    ...[32, 80, 128].map((dim) => exact(1, 2048, dim, ["ours", "simd128", "limit"])),
    ...ESTIMATES,
    ...OTHERS,
    ...(size === "long" ? [defaultOf256(131072)] : []),
  ];
}

/** The tasks whose memory is measured, each implementation in a fresh process. */
export const MEMORY_TASKS = [exact(8, 4096, 64), exact(8, 8192, 64, ["ours"]), defaultOf256(65536)];
