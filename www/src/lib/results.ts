import { aggregate, type Grid } from "./aggregate.ts";
import type { Factors } from "./explain.ts";
import type { Region } from "./region.ts";
import type { MethodName } from "./request.ts";
import type { Maps } from "./scale.ts";
import { measure, type Stats } from "./stats.ts";

/** One head under one question, closely enough to draw and to read single entries. */
export interface Picture {
  tokens: number;
  causal: boolean;
  /** Exact entries per query row, mean. */
  supportPerRow: number;
  /** Features per query row. */
  features: number;
  instructionSet: string;
  backend: string;
  /** Row-major [tokens, tokens], rows normalised. */
  exact: Float32Array<ArrayBuffer>;
  lowRank: Float32Array<ArrayBuffer>;
  sparse: Float32Array<ArrayBuffer>;
  approximation: Float32Array<ArrayBuffer>;
  /** approximation − exact. */
  error: Float32Array<ArrayBuffer>;
  /** 1 where the entry is in the support. */
  support: Uint8Array<ArrayBuffer>;
  factors: Factors;
  /** The matrices shrunk to the size that was asked for. */
  grids: SizedGrids;
}

/** Grids of the whole matrices for maps of `size` by `size` device pixels, and what the colours need to know. */
export interface SizedGrids extends Maps<Grid> {
  size: number;
  stats: Maps<Stats>;
}

type Matrices = Pick<Picture, "tokens" | "causal" | keyof Maps<Grid>>;

export function shrink(picture: Matrices, size: number): SizedGrids {
  const grids = gridsOf(picture, size);
  return { ...grids, size, stats: measureAll(grids) };
}

export function measureAll(grids: Maps<Grid>): Maps<Stats> {
  return {
    exact: measure(grids.exact),
    lowRank: measure(grids.lowRank),
    sparse: measure(grids.sparse),
    error: measure(grids.error),
  };
}

/** Of the whole matrices, or of a region of them. */
export function gridsOf(picture: Matrices, size: number, region?: Region): Maps<Grid> {
  const { tokens, causal } = picture;
  const grid = (matrix: Float32Array<ArrayBuffer>) => aggregate(matrix, tokens, size, causal, region);
  return {
    exact: grid(picture.exact),
    lowRank: grid(picture.lowRank),
    sparse: grid(picture.sparse),
    error: grid(picture.error),
  };
}

export interface Timing {
  /** The estimator alone, without the dense matrices of the picture. */
  milliseconds: number;
  exactMilliseconds: number;
}

/** The numbers of one picture. */
export interface Summary {
  tokens: number;
  /** Floats that the budget allows per query row. */
  budgetFloats: number;
  /** Mean over rows, nats. */
  entropy: number;
  /** |O − Ô| / |O| of each method at the same budget. */
  errors: Record<MethodName, number>;
  supportPerRow: number;
  features: number;
  instructionSet: string;
  backend: string;
  /** Null in the poster: another machine's times say nothing. */
  timing: Timing | null;
}

export interface CurvePoint {
  temperature: number;
  entropy: number;
  errors: Record<MethodName, number>;
}

/** The numbers of one cell, for the read-out. */
export interface Entry {
  query: number;
  key: number;
  exact: number;
  lowRank: number;
  sparse: number;
  approximation: number;
  error: number;
  inSupport: boolean;
  masked: boolean;
}

export function entryAt(picture: Picture, query: number, key: number): Entry {
  const at = query * picture.tokens + key;
  return {
    query,
    key,
    exact: picture.exact[at] as number,
    lowRank: picture.lowRank[at] as number,
    sparse: picture.sparse[at] as number,
    approximation: picture.approximation[at] as number,
    error: picture.error[at] as number,
    inSupport: picture.support[at] === 1,
    masked: picture.causal && key > query,
  };
}
