import { aggregate, type Grid } from "./aggregate.ts";
import type { MethodName } from "./request.ts";
import type { Maps } from "./scale.ts";

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
  /** The matrices shrunk to the size that was asked for. */
  grids: SizedGrids;
}

/** Grids for maps of `size` by `size` device pixels. */
export interface SizedGrids extends Maps<Grid> {
  size: number;
}

type Matrices = Pick<Picture, "tokens" | "causal" | keyof Maps<Grid>>;

export function shrink(picture: Matrices, size: number): SizedGrids {
  const { tokens, causal } = picture;
  const grid = (matrix: Float32Array) => aggregate(matrix, tokens, tokens, size, causal);
  return {
    size,
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
