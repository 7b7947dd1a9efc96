import type { Head } from "./head.ts";
import type { Picture } from "./results.ts";

/** How one entry of the estimate comes about. */
export interface Explanation {
  query: number;
  key: number;
  /** q·k of the head. */
  dot: number;
  /** b q·k, b being scale / temperature. */
  logit: number;
  /** exp(logit) over the sum of its row. */
  exact: number;
  /** φ(q)·φ(k) over the sum of the estimate's row. */
  lowRank: number;
  /** What the estimate has there: exp(logit) over the estimate's sum on the support, else `lowRank`. */
  approximation: number;
  inSupport: boolean;
  /** approximation − exact. */
  error: number;
}

/** What a picture carries of its head, so that an entry can be explained at once. */
export interface Factors extends Pick<Head, "q" | "k" | "dim"> {
  /** Logits are b q·k. */
  b: number;
}

/** Null for a key in the query's future. */
export function explain(picture: Picture, query: number, key: number): Explanation | null {
  if (picture.causal && key > query) return null;
  const { q, k, dim, b } = picture.factors;
  let dot = 0;
  for (let i = 0; i < dim; i++) dot += (q[query * dim + i] as number) * (k[key * dim + i] as number);
  const at = query * picture.tokens + key;
  return {
    query,
    key,
    dot,
    logit: b * dot,
    exact: picture.exact[at] as number,
    lowRank: picture.lowRank[at] as number,
    approximation: picture.approximation[at] as number,
    inSupport: picture.support[at] === 1,
    error: picture.error[at] as number,
  };
}
