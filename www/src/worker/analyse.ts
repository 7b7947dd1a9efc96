import type { load } from "scatterbrain-attention";
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
  const view = await sb.decompose({ ...options, method: "scatterbrain", temperature, ...watch });
  const { exact, lowRank, sparse, approximation, support, stats } = view;
  const matrices = {
    tokens: head.tokens,
    causal: head.causal,
    exact,
    lowRank,
    sparse,
    error: approximation.map((value, i) => value - (exact[i] as number)),
  };
  return {
    ...matrices,
    supportPerRow: stats.supportEntries / head.tokens,
    features: stats.features,
    instructionSet: stats.instructionSet,
    backend: stats.backend,
    approximation,
    support,
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
