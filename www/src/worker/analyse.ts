import type { load } from "scatterbrain-attention";
import type { BackendReport } from "../lib/backend.ts";
import { budgetFloats } from "../lib/budget.ts";
import type { Head } from "../lib/head.ts";
import { commonOptions, METHODS, type MethodName, type Question } from "../lib/request.ts";
import { type CurvePoint, type Picture, type Summary, shrink, type Timing } from "../lib/results.ts";

export type Instance = Awaited<ReturnType<typeof load>>;

export interface Watch {
  signal?: AbortSignal;
  /** Share done, 0 to 1. */
  onProgress?: (fraction: number) => void;
}

/**
 * The matrices of one head, and grids of them for maps of `size` pixels a side. The same code makes the page's
 * pictures and, when the page is built, the poster.
 */
export async function decompose(
  sb: Instance,
  head: Head,
  question: Question,
  size: number,
  watch: Watch = {},
): Promise<Picture> {
  const options = commonOptions(question, head);
  const { temperature } = question;
  const start = performance.now();
  const view = await sb.decompose({ ...options, method: "scatterbrain", temperature, ...watch });
  // For the browser's profiler: the rest of a picture's time is the page's own.
  performance.measure("matrices", { start });
  const { exact, lowRank, sparse, approximation, support, stats } = view;
  const matrices = {
    tokens: head.tokens,
    causal: head.causal,
    exact,
    lowRank,
    sparse,
    error: difference(approximation, exact),
  };
  return {
    ...matrices,
    supportPerRow: stats.supportEntries / head.tokens,
    features: stats.features,
    instructionSet: stats.instructionSet,
    backend: stats.backend,
    approximation,
    support,
    factors: { q: head.q, k: head.k, dim: head.dim, b: head.scale / temperature },
    grids: shrink(matrices, size),
  };
}

/** Entropy and the three errors at one temperature: a point of the curve, and the numbers of a picture. */
export async function curvePoint(
  sb: Instance,
  head: Head,
  question: Question,
  temperature: number,
  watch: Watch = {},
): Promise<CurvePoint> {
  const options = commonOptions(question, head);
  const [point] = await sb.sweep({
    ...options,
    temperatures: [temperature],
    methods: [...METHODS],
    ...watch,
  });
  if (!point) throw new Error("sweep: no point for one temperature");
  return { temperature, entropy: point.entropy, errors: point.errors as Record<MethodName, number> };
}

/** How long the estimator and exact attention take, without the dense matrices that pictures need. */
export async function time(sb: Instance, head: Head, question: Question, watch: Watch = {}): Promise<Timing> {
  const { support, features, ...bare } = commonOptions(question, head);
  const { temperature } = question;
  const parts = { support, features };
  const both = await sb.attention({ ...bare, ...parts, method: "scatterbrain", temperature, ...watch });
  const exact = await sb.attention({ ...bare, method: "exact", temperature, ...watch });
  return { milliseconds: both.stats.milliseconds, exactMilliseconds: exact.stats.milliseconds };
}

/**
 * The estimator on `gpu`, an instance that was loaded with back end "auto", and on `sb`, which is WebAssembly. The first call on a
 * GPU compiles shaders: the second one counts.
 */
export async function compareBackends(
  sb: Instance,
  gpu: Instance,
  head: Head,
  question: Question,
  watch: Watch = {},
): Promise<BackendReport> {
  const options = { ...commonOptions(question, head), method: "scatterbrain" as const };
  const { temperature } = question;
  const run = async (instance: Instance, from: number, share: number) => {
    const start = performance.now();
    const onProgress = (fraction: number) => watch.onProgress?.(from + share * fraction);
    const result = await instance.attention({ ...options, temperature, ...watch, onProgress });
    return { ...result, milliseconds: performance.now() - start };
  };
  const wasm = await run(sb, 0, 0.2);
  const first = await run(gpu, 0.2, 0.6);
  const second = first.stats.backend === "webgpu" ? await run(gpu, 0.8, 0.2) : first;
  const { backend, adapter, fallback } = second.stats;
  return {
    ran: backend,
    ...(adapter === undefined ? {} : { adapter }),
    ...(fallback === undefined ? {} : { fallback }),
    milliseconds: second.milliseconds,
    wasmMilliseconds: wasm.milliseconds,
    difference: relativeDistance(second.output, wasm.output),
  };
}

/** A loop, because `map` would take four times as long for a million entries. */
function difference(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = (a[i] as number) - (b[i] as number);
  return out;
}

/** |a − b| / |b| in the Frobenius norm. */
function relativeDistance(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += ((a[i] as number) - (b[i] as number)) ** 2;
    size += (b[i] as number) ** 2;
  }
  return size > 0 ? Math.sqrt(difference / size) : 0;
}

export function summarize(
  picture: Picture,
  point: CurvePoint,
  timing: Timing | null,
  question: Question,
): Summary {
  const { tokens, supportPerRow, features, instructionSet, backend } = picture;
  return {
    tokens,
    budgetFloats: budgetFloats(question.budget, tokens),
    entropy: point.entropy,
    errors: point.errors,
    supportPerRow,
    features,
    instructionSet,
    backend,
    timing,
  };
}
