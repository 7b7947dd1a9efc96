// Compiled against the packed package, never run: the whole interface, and some misuses that must not compile.
import {
  type AttentionOptions,
  type AttentionResult,
  type Decomposition,
  type ErrorCode,
  type Features,
  load,
  type Method,
  type RobustPcaOptions,
  type RobustPcaResult,
  type Scatterbrain,
  ScatterbrainError,
  type Shape,
  type Stats,
  type Support,
  type SweepPoint,
} from "scatterbrain-attention";

const sb: Scatterbrain = await load();
await load({
  backend: "webgpu",
  wasm: new URL("https://example.org/scatterbrain.wasm"),
  workers: 2,
  simd: "relaxed",
});
await load({ backend: "auto", wasm: "scatterbrain.wasm" });
await load({
  backend: "wasm",
  wasm: new Uint8Array(8),
  robustPca: new URL("https://example.org/robust-pca.wasm"),
  webgpu: "https://example.org/webgpu.wasm",
});
await load({ wasm: await WebAssembly.compile(new ArrayBuffer(8)) });

const q = new Float32Array(8 * 4096 * 64);
const k = q.slice();
const v = q.slice();
const shape: Shape = { batch: 1, heads: 8, queries: 4096, keys: 4096, dim: 64, valueDim: 64, kvHeads: 8 };
const controller = new AbortController();

const result: AttentionResult = await sb.attention({
  q,
  k,
  v,
  shape,
  method: "scatterbrain",
  budget: 0.05,
  split: 0.5,
  support: { kind: "smyrf", cluster: 64, rounds: 2 },
  features: { kind: "favor", count: 64 },
  temperature: 1.0,
  scale: 1 / Math.sqrt(64),
  causal: false,
  keyLengths: undefined,
  seed: 0,
  signal: controller.signal,
  onProgress: (fraction) => console.log(fraction.toFixed(2)),
});
const output: Float32Array<ArrayBuffer> = result.output;
postMessage(output, "*", [output.buffer]);
const stats: Stats = result.stats;
const words: string[] = [stats.backend, stats.instructionSet, stats.method, sb.backend, sb.instructionSet];
const backend: "wasm" | "webgpu" = stats.backend;
const perhaps: (string | undefined)[] = [stats.adapter, stats.fallback];
const sums: number[] = [
  stats.milliseconds,
  stats.peakBytes,
  stats.supportEntries,
  stats.features,
  stats.workers,
];
const phases: [string, number][] = Object.entries(stats.phases);

const supports: Support[] = [
  { kind: "window", size: 3 },
  { kind: "window" },
  { kind: "top-k", count: 3 },
  { kind: "lsh", rounds: 2, chunk: 8 },
  { kind: "smyrf" },
  { kind: "explicit", indptr: new Uint32Array(2), indices: new Int32Array(0) },
  { kind: "explicit", indptr: [0, 0], indices: [] },
];
const features: Features[] = [
  { kind: "favor", count: 64, hyperbolic: true, center: true, balance: true },
  { kind: "optimal", count: 64, center: true, balance: true, spread: 2 },
  { kind: "elu" },
  { kind: "taylor", order: 2 },
];
const methods: Method[] = ["auto", "exact", "sparse", "low-rank", "scatterbrain", "vitality"];

const small = { q, k, v, shape: { queries: 4096, dim: 64 } } satisfies AttentionOptions;
const view: Decomposition = await sb.decompose({ ...small, method: "sparse", keyLengths: [5], causal: true });
await sb.decompose({ ...small, rows: [2, 4] });
// @ts-expect-error: a start and an end
await sb.decompose({ ...small, rows: [2] });
const matrices: Float32Array[] = [view.exact, view.lowRank, view.sparse, view.approximation];
const mask: Uint8Array = view.support;
const logs: Float64Array[] = [view.logNormalizer, view.exactLogNormalizer];
const numbers: number[] = [view.entropy, view.relativeError, view.queries, view.keys, view.stats.features];

const curve: SweepPoint[] = await sb.sweep({ ...small, temperatures: [0.1, 1], methods, budget: 0.1 });
const error: number | undefined = curve[0]?.errors["low-rank"];
const point: number[] = curve.map(({ temperature, entropy }) => temperature + entropy);

const parts: RobustPcaResult = await sb.robustPca({
  matrix: q,
  rows: 8 * 4096,
  columns: 64,
  lambda: 0.1,
  tolerance: 1e-6,
  maxIterations: 50,
  signal: controller.signal,
  onProgress: (fraction) => console.log(fraction.toFixed(2)),
});
const ofHead = {
  q,
  k,
  shape: { queries: 4096, dim: 64 },
  scale: 0.125,
  causal: true,
} satisfies RobustPcaOptions;
const { lowRank, sparse, singularValues, converged } = await sb.robustPca({
  ...ofHead,
  temperature: 0.5,
  keyLengths: [7],
});
matrices.push(lowRank, sparse, parts.lowRank);
logs.push(singularValues);
numbers.push(
  parts.rows,
  parts.columns,
  parts.rank,
  parts.nonzeros,
  parts.residual,
  parts.iterations,
  parts.stats.peakBytes,
);

try {
  await sb.attention(small);
} catch (thrown) {
  if (thrown instanceof ScatterbrainError) {
    const code: ErrorCode = thrown.code;
    const known: boolean =
      code === "InvalidShape" || code === "OutOfMemory" || code === "Aborted" || code === "DeviceLost";
    console.log(known, thrown.message, thrown.cause);
  }
}
sb.dispose();

// @ts-expect-error: plain arrays are no tensors
sb.attention({ ...small, q: [1, 2] });
// @ts-expect-error: no such method
sb.attention({ ...small, method: "dense" });
// @ts-expect-error: no such option
sb.attention({ ...small, temprature: 1 });
// @ts-expect-error: another kind's size
sb.attention({ ...small, support: { kind: "window", rounds: 2 } });
// @ts-expect-error: a shape needs its sizes
sb.attention({ ...small, shape: { queries: 4 } });
// @ts-expect-error: sweeps have temperatures
sb.sweep({ ...small, temperature: 1, methods });
// @ts-expect-error: a matrix needs its sizes
sb.robustPca({ matrix: q });
// @ts-expect-error: a matrix or a head, not both
sb.robustPca({ ...ofHead, matrix: q, rows: 1, columns: 1 });
// @ts-expect-error: no values are looked at
sb.robustPca({ ...ofHead, v });
// @ts-expect-error: a word, not a switch
load({ simd: true });
// @ts-expect-error: no such back end
load({ backend: "cuda" });

export {
  backend,
  converged,
  error,
  features,
  logs,
  mask,
  matrices,
  numbers,
  perhaps,
  phases,
  point,
  sums,
  supports,
  words,
};
