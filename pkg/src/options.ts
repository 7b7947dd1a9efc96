/**
 * The sizes of a call. `queries` and `dim` must be given, the others have defaults.
 *
 * Tensors are row-major: `q` is [batch, heads, queries, dim], `k` is [batch, kvHeads, keys, dim], `v` is
 * [batch, kvHeads, keys, valueDim].
 *
 * @example { queries: 4096, dim: 64 }
 * @example { batch: 2, heads: 32, kvHeads: 8, queries: 1, keys: 8192, dim: 128 }
 */
export interface Shape {
  /** Sequences. A whole number from 1 to 2^30. Default 1. */
  batch?: number | undefined;
  /** Query heads. A whole number from 1 to 2^30. Default 1. */
  heads?: number | undefined;
  /** Query tokens of each sequence. A whole number from 1 to 2^30. */
  queries: number;
  /** Key tokens of each sequence, padding included. A whole number from 1 to 2^30. Default: `queries`. */
  keys?: number | undefined;
  /** Length of one query and of one key. A whole number from 1 to 1024. */
  dim: number;
  /** Length of one value. A whole number from 1 to 1024. Default: `dim`. */
  valueDim?: number | undefined;
  /**
   * Key and value heads; must divide `heads`. With fewer than `heads` (grouped-query attention) query head h reads
   * key head floor(h * kvHeads / heads). Default: `heads`.
   */
  kvHeads?: number | undefined;
}

/**
 * Which estimator to run.
 *
 * - `"auto"`: follows from the other options. `support` and `features`, or neither: `"scatterbrain"`; only
 *   `support`: `"sparse"`; only `features`: `"low-rank"`. With neither, and at most 128 keys or a budget of 1:
 *   `"exact"`.
 * - `"exact"`: softmax attention, in O(queries + keys) memory.
 * - `"sparse"`: softmax over the support only.
 * - `"low-rank"`: the feature map everywhere.
 * - `"scatterbrain"`: exact on the support, the feature map elsewhere, one normaliser
 *   (Chen et al. 2021, arXiv 2110.15343).
 * - `"vitality"`: first-order Taylor attention (arXiv 2211.05109); with `support`, exact there. Biased.
 */
export type Method = "auto" | "exact" | "sparse" | "low-rank" | "scatterbrain" | "vitality";

/** A band around the diagonal: -floor(size / 2) <= key - query < ceil(size / 2); causal: query - size < key <= query. */
export interface WindowSupport {
  kind: "window";
  /** Keys per query. A whole number from 1 to 2^30. Default: what the budget allows. */
  size?: number | undefined;
}

/** The keys with the largest logits. Takes O(queries * keys) time: the yardstick for the other kinds. */
export interface TopKSupport {
  kind: "top-k";
  /** Keys per query. A whole number from 1 to 2^30. Default: what the budget allows. */
  count?: number | undefined;
}

/** Cross-polytope hashing: a query takes the keys that share its bucket in any round. */
export interface LshSupport {
  kind: "lsh";
  /** Independent hash functions. A whole number from 1 to 64. Default: 2, or 1 with a small budget. */
  rounds?: number | undefined;
  /**
   * At most this many keys per query and round. A whole number from 1 to 2^30. Default: what the budget allows;
   * with `rounds` given, whole buckets.
   */
  chunk?: number | undefined;
}

/** SMYRF (Daras et al. 2020): queries and keys sorted along random directions and cut into clusters. Not causal. */
export interface SmyrfSupport {
  kind: "smyrf";
  /** Keys per cluster. A whole number from 1 to 2^30. Default: what the budget allows. */
  cluster?: number | undefined;
  /** Independent directions. A whole number from 1 to 64. Default: 2, or 1 with a small budget. */
  rounds?: number | undefined;
}

/**
 * The keys that a walk down a tree of clusters leaves single: recursive k-means of the keys as the queries see them, of
 * which each query opens the most promising parts. With `"landmarks"` the rest of the tree is the low-rank part.
 */
export interface ClustersSupport {
  kind: "clusters";
  /**
   * Clusters and keys judged per query. A whole number from 1 to 2^30. Without landmarks a query that would reach no
   * key goes on until it does, which gives it up to 32. Default: what the budget allows.
   */
  count?: number | undefined;
}

/**
 * Your own entries, as compressed sparse rows: row i has the keys `indices[indptr[i]]` to
 * `indices[indptr[i + 1] - 1]`, in any order. A row may be empty.
 *
 * @example { kind: "explicit", indptr: [0, 2, 3], indices: [0, 1, 1] }
 */
export interface ExplicitSupport {
  kind: "explicit";
  /** `queries + 1` row starts that all heads share, or `batch * heads * queries + 1`. The first is 0. */
  indptr: Uint32Array | Int32Array | readonly number[];
  /** Key indices, whole numbers from 0 to `keys - 1`. */
  indices: Uint32Array | Int32Array | readonly number[];
}

/** Which entries of the attention matrix are computed exactly. */
export type Support =
  | ClustersSupport
  | WindowSupport
  | TopKSupport
  | LshSupport
  | SmyrfSupport
  | ExplicitSupport;

/** FAVOR+ (Choromanski et al. 2021): positive random features along orthogonal Gaussian directions. Unbiased. */
export interface FavorFeatures {
  kind: "favor";
  /** Features. A whole number from 1 to 4096, even when `hyperbolic`. Default: what the budget allows. */
  count?: number | undefined;
  /** Use each direction with both signs. Default false. */
  hyperbolic?: boolean | undefined;
  /** Centre queries and keys first: same expectation, smaller variance. Not causal. Default false. */
  center?: boolean | undefined;
  /**
   * Change variables by the second moments of queries and keys, so that both are as short as the logits allow:
   * same expectation, smaller variance, most of it with `center`. Not causal. Default false.
   */
  balance?: boolean | undefined;
}

/** Optimal positive random features (Likhosherstov et al. 2022). Unbiased. */
export interface OptimalFeatures {
  kind: "optimal";
  /** Features. A whole number from 1 to 4096. Default: what the budget allows. */
  count?: number | undefined;
  /** As for `"favor"`. Default false. */
  center?: boolean | undefined;
  /** As for `"favor"`. Default false. */
  balance?: boolean | undefined;
  /**
   * The mean of |q + k|^2 * scale / temperature to tune for. A positive number. Default: measured over the head,
   * which a causal call may not do.
   */
  spread?: number | undefined;
}

/** elu(x) + 1 (Katharopoulos et al. 2020): `dim` features. Biased. */
export interface EluFeatures {
  kind: "elu";
}

/**
 * One feature per cluster of keys that the query's walk down the tree leaves closed. With `"clusters"` as the support,
 * or without a support. Biased, but positive: the output is an average of values.
 */
export interface LandmarksFeatures {
  kind: "landmarks";
  /**
   * Clusters judged per query. A whole number from 1 to 2^30. With `"clusters"` both counts together are the walk's
   * budget. Default: what the budget allows.
   */
  count?: number | undefined;
}

/** Taylor polynomial of exp around centred keys. `1 + dim` features, or `1 + dim + dim * (dim + 1) / 2`. Biased. */
export interface TaylorFeatures {
  kind: "taylor";
  /** Order of the polynomial. Default 1. */
  order?: 1 | 2 | undefined;
}

/** The feature map f, with f(q) . f(k) ~ exp(scale / temperature * q . k): the low-rank part. */
export type Features = LandmarksFeatures | FavorFeatures | OptimalFeatures | EluFeatures | TaylorFeatures;

/** What every call takes. */
export interface CommonOptions {
  /** Queries, row-major [batch, heads, queries, dim]. Copied when the call starts, as `k` and `v` are. */
  q: Float32Array;
  /** Keys, row-major [batch, kvHeads, keys, dim]. */
  k: Float32Array;
  /** Values, row-major [batch, kvHeads, keys, valueDim]. */
  v: Float32Array;
  /** The sizes. */
  shape: Shape;
  /**
   * Floats kept per query row, as a share of the keys: support entries plus features. Above 0, at most 1. Parts
   * with explicit sizes take precedence. Default 0.125.
   *
   * @example 0.05
   */
  budget?: number | undefined;
  /**
   * The support's share of the budget, when there are two parts and neither has a size. Clusters with landmarks
   * share it out query by query instead. Between 0 and 1. Default 0.5.
   */
  split?: number | undefined;
  /**
   * Entries computed exactly. Default: `{ kind: "clusters" }`; with other features than landmarks, the paper's
   * `{ kind: "smyrf" }`, or `{ kind: "window" }` when causal.
   */
  support?: Support | undefined;
  /** The low-rank part. Default: `{ kind: "landmarks" }`; with other supports than clusters, the paper's `{ kind: "favor" }`. */
  features?: Features | undefined;
  /** Logits are `scale * (q . k) / temperature`. A positive number. Default 1 / sqrt(dim). */
  scale?: number | undefined;
  /** Query i sees only keys j <= i, both counted from 0. Default false. */
  causal?: boolean | undefined;
  /**
   * How many keys of each sequence are real, the rest being padding: `batch` whole numbers from 0 to `keys`. A
   * sequence of length 0 gives rows of zeros. Default: all.
   *
   * @example [512, 300]
   */
  keyLengths?: readonly number[] | Uint32Array | Int32Array | undefined;
  /** Seed of every random choice: the same seed gives the same bits. A whole number from 0 to 2^53 - 1. Default 0. */
  seed?: number | undefined;
  /** Cancels the call; it then rejects with code `Aborted`. */
  signal?: AbortSignal | undefined;
  /**
   * Hears how much is done, as a fraction that never falls; 1 comes last. What it throws, the call rejects with.
   *
   * @example (fraction) => { progressBar.value = fraction; }
   */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Options of `attention` and `decompose`. */
export interface AttentionOptions extends CommonOptions {
  /** The estimator. Default `"auto"`. */
  method?: Method | undefined;
  /** Divides the logits: low is sharp. A positive number. Default 1. */
  temperature?: number | undefined;
}

/** Options of `decompose`: one head of one sequence. */
export interface DecomposeOptions extends AttentionOptions {
  /**
   * Only these rows, from the first number to before the second, counted from 0: a matrix too large to be held can be
   * looked at band by band. Entries are those of the whole to the bit. Default: all.
   *
   * @example [0, 512]
   */
  rows?: readonly [start: number, end: number] | undefined;
}

/**
 * Options of `sweep`. With a GPU the first of several temperatures is computed on both, and the faster one computes the rest; it is
 * WebAssembly where the GPU does not have one of the methods.
 */
export interface SweepOptions extends CommonOptions {
  /** At least one positive number. */
  temperatures: readonly number[] | Float32Array | Float64Array;
  /** At least one method, each once. Parts that a method does not have are ignored for that method. */
  methods: readonly Method[];
}

/** What both forms of `robustPca` take. */
interface RobustPcaCommonOptions {
  /**
   * Weight of the sparse part: a larger one makes it sparser, and the rank of the other part larger. A positive number.
   * Default 1 / sqrt(max(rows, columns)).
   */
  lambda?: number | undefined;
  /** Done once |M - L - S| is so small a share of |M|, in the Frobenius norm. Above 0, below 1. Default 1e-7. */
  tolerance?: number | undefined;
  /** Gives up after so many; 20 to 40 are usual. A whole number from 1 to 10000. Default 100. */
  maxIterations?: number | undefined;
  /** Cancels the call; it then rejects with code `Aborted`. */
  signal?: AbortSignal | undefined;
  /** Hears how much is done, by an estimate that never falls; 1 comes last. What it throws, the call rejects with. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Options of `robustPca` for a matrix. */
export interface RobustPcaMatrixOptions extends RobustPcaCommonOptions {
  /** Row-major [rows, columns]. Copied when the call starts. */
  matrix: Float32Array;
  /** A whole number from 1 to 2^30. */
  rows: number;
  /** A whole number from 1 to 2^30. */
  columns: number;
  q?: undefined;
  k?: undefined;
}

/** Options of `robustPca` for the row-normalised attention matrix of one head. */
export interface RobustPcaHeadOptions extends RobustPcaCommonOptions {
  /** Queries, row-major [queries, dim]. Copied when the call starts, as `k` is. */
  q: Float32Array;
  /** Keys, row-major [keys, dim]. */
  k: Float32Array;
  /** The sizes; `batch` and `heads` must be 1. */
  shape: Shape;
  /** Logits are `scale * (q . k) / temperature`. A positive number. Default 1 / sqrt(dim). */
  scale?: number | undefined;
  /** Divides the logits: low is sharp. A positive number. Default 1. */
  temperature?: number | undefined;
  /** Query i sees only keys j <= i, both counted from 0. Default false. */
  causal?: boolean | undefined;
  /** How many keys are real, the rest being padding, which is 0 in the matrix: one number. Default: all. */
  keyLengths?: readonly number[] | Uint32Array | Int32Array | undefined;
  matrix?: undefined;
}

/** Options of `robustPca`: of a matrix, or of a head. */
export type RobustPcaOptions = RobustPcaMatrixOptions | RobustPcaHeadOptions;

/** Options of `load`. */
export interface LoadOptions {
  /**
   * Where to compute `attention`, and `sweep` where it is faster there.
   *
   * - `"wasm"`: in WebAssembly.
   * - `"webgpu"`: on a GPU, of which a device is opened and checked by `load`. What cannot be done there is an error.
   * - `"auto"`: as `"webgpu"`, but what cannot be done there is done in WebAssembly, and `stats.fallback` says why.
   *
   * With the latter two one more module is fetched, if there is an adapter. After a loss of the device the next call opens
   * another one; if there is none, `"webgpu"` tries again at each call, and `"auto"` stays in WebAssembly. Default `"wasm"`.
   */
  backend?: "auto" | "wasm" | "webgpu" | undefined;
  /**
   * The WebAssembly module: its address, its bytes, or compiled. The first load decides which module runs. Default:
   * the file for `simd` that lies beside this package's code.
   *
   * @example new URL("/static/scatterbrain.wasm", location.href)
   */
  wasm?: URL | string | BufferSource | WebAssembly.Module | undefined;
  /** As `wasm`, for the module of robust PCA. The first call of `robustPca` decides which one runs. */
  robustPca?: URL | string | BufferSource | WebAssembly.Module | undefined;
  /** As `wasm`, for the module of the backends `"webgpu"` and `"auto"`. */
  webgpu?: URL | string | BufferSource | WebAssembly.Module | undefined;
  /**
   * How many workers compute `attention`, each with memory of its own: they share the heads of all sequences, and the
   * queries of a head too where it is exact or, not causal, has landmarks. The result is the same to the bit. With 1 it is computed on the thread that
   * calls, as `decompose`, `sweep` and `robustPca` always are. A whole number from 1 to 64. Default 1.
   *
   * @example navigator.hardwareConcurrency
   */
  workers?: number | undefined;
  /**
   * Vector instructions. `"relaxed"` has a fused multiply-add: faster, rounded differently, and not everywhere. `"auto"` takes
   * it where the engine has it, and `"simd128"` elsewhere; one module is fetched. With `wasm`, and once a module
   * runs, it is what that module must have. Default `"auto"`.
   */
  simd?: "auto" | "simd128" | "relaxed" | undefined;
}
