import type { Method } from "./options.js";

/** How a call ran. */
export interface Stats {
  /** Where it was computed. */
  backend: "wasm" | "webgpu";
  /** The GPU, as far as the browser names it, if it was computed there. */
  adapter?: string;
  /** Why it was computed in WebAssembly, in a sentence, where `load` was asked for a GPU. */
  fallback?: string;
  /**
   * Vector instructions that were used: `"relaxed-simd"` or `"simd128"`, or `"scalar"` if there were none; on a GPU `"wgsl"`.
   */
  instructionSet: string;
  /** The estimator that ran; never `"auto"`. */
  method: Exclude<Method, "auto">;
  /** Time spent computing, without pauses between slices; with workers, time from call to result. */
  milliseconds: number;
  /** Most memory held at once, in bytes; all workers together. */
  peakBytes: number;
  /** Entries computed exactly, all rows together. */
  supportEntries: number;
  /** Features per row; 0 without a low-rank part. */
  features: number;
  /** Workers that shared the call; 1 also where it ran on the thread that calls. */
  workers: number;
  /**
   * Milliseconds by phase; all workers together. Of `attention`: "prepare" (scaling and packing), "project" (feature maps),
   * "search" (hashing, clustering, listing the keys of a row), "sort", "gather" (queries, keys and values that share a
   * bucket), "tiles" (logits, softmax, weighted values) and "lowRank" (the low-rank state, and what queries read from it).
   */
  phases: Record<string, number>;
}

/** What `attention` gives. */
export interface AttentionResult {
  /** Row-major [batch, heads, queries, valueDim]. */
  output: Float32Array<ArrayBuffer>;
  stats: Stats;
}

/**
 * What `decompose` gives: the attention matrix of one head and its estimate. The matrices are row-major
 * [queries, keys]; `sparse` + `lowRank` = `approximation`, whose rows sum to 1, as do those of `exact`.
 */
export interface Decomposition {
  /** Rows of the matrices: all queries, or as many as `rows` asked for. */
  queries: number;
  keys: number;
  /** The attention matrix. */
  exact: Float32Array<ArrayBuffer>;
  /** The part that comes from the feature map. */
  lowRank: Float32Array<ArrayBuffer>;
  /** The rest: not 0 only on the support. */
  sparse: Float32Array<ArrayBuffer>;
  /** The estimate of the attention matrix. */
  approximation: Float32Array<ArrayBuffer>;
  /** 1 where the entry is in the support, else 0. */
  support: Uint8Array<ArrayBuffer>;
  /** Mean entropy of these rows of `exact`, in nats; at most ln(keys). */
  entropy: number;
  /** |O - Ô| / |O| in the Frobenius norm, O being the exact output of these rows. */
  relativeError: number;
  /** Natural logarithm of each row's sum in the estimate, -Infinity for an empty row. */
  logNormalizer: Float64Array<ArrayBuffer>;
  /** As `logNormalizer`, exact. */
  exactLogNormalizer: Float64Array<ArrayBuffer>;
  stats: Stats;
}

/** One temperature of a sweep. */
export interface SweepPoint {
  temperature: number;
  /** Mean entropy of the attention rows at this temperature, in nats. */
  entropy: number;
  /** Relative error of each method's output against exact attention. */
  errors: Partial<Record<Method, number>>;
}

/** What `robustPca` gives: the matrix as `lowRank` + `sparse`, both row-major [rows, columns]. */
export interface RobustPcaResult {
  lowRank: Float32Array<ArrayBuffer>;
  sparse: Float32Array<ArrayBuffer>;
  rows: number;
  columns: number;
  /** Of `lowRank`. */
  rank: number;
  /** Entries of `sparse` that are not 0. */
  nonzeros: number;
  /** |M - L - S| / |M| in the Frobenius norm, before the parts are rounded to 32 bits. */
  residual: number;
  iterations: number;
  /** Whether the residual reached the tolerance. */
  converged: boolean;
  /** Those of `lowRank` that are not 0, descending. */
  singularValues: Float64Array<ArrayBuffer>;
  stats: Pick<Stats, "backend" | "instructionSet" | "milliseconds" | "peakBytes">;
}
