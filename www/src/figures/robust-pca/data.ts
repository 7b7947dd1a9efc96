import type { Grid } from "../../lib/aggregate.ts";

/** Two parts that add up to the attention matrix, or nearly. */
export interface Parts {
  /** Shrunk for small maps. */
  lowRank: Grid;
  sparse: Grid;
  /** Entries of the sparse part that are not 0. */
  nonzeros: number;
  /** The fewest of them that make up `SHARE` of their magnitudes. */
  largest: number;
  /** |A − L − S| / |A| in the Frobenius norm. */
  residual: number;
}

export interface RobustPcaData {
  tokens: number;
  causal: boolean;
  /** The magnitude at the ends of the colour scale. */
  top: number;
  own: Parts & { features: number };
  /** Null until it is found. */
  robust: (Parts & RobustOnly) | null;
}

interface RobustOnly {
  rank: number;
  /** The fewest singular values that make up `SHARE` of their squares. */
  terms: number;
  singularValues: number[];
  iterations: number;
  converged: boolean;
}

/** What is beyond this share changes nothing that can be seen. */
export const SHARE = 0.99;

/** One step of it on more tokens takes seconds, in which nothing else can be done. */
export const MOST_TOKENS = 1100;
