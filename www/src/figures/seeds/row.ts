import type { Head } from "../../lib/head.ts";

/** One query and the keys that it sees, as the package is asked for them, and what is exact about its row. */
export interface Row {
  /** The query; where features are centred, another one that keeps the head's mean of queries. */
  q: Float32Array;
  queries: number;
  k: Float32Array;
  v: Float32Array;
  keys: number;
  logits: Float64Array;
  /** The row, which sums to 1. */
  exact: Float64Array;
  /** |q′ + k′|² of each key, as the features see them. */
  lengths: Float64Array;
  /** The mean of that over all queries and keys of the head. */
  spread: number;
}

/**
 * A row of a head for which the features are those of the whole head: to compute one row for a thousand seeds takes as long as to
 * compute the matrix a few times. What features are centred on and tuned for is the whole head's.
 */
export function rowOf(head: Head, query: number, temperature: number, centred: boolean): Row {
  const { dim, valueDim, tokens, causal } = head;
  const b = head.scale / temperature;
  const keys = causal ? query + 1 : tokens;
  const [k, v] = [head.k.slice(0, keys * dim), head.v.slice(0, keys * valueDim)];
  const own = head.q.slice(query * dim, (query + 1) * dim);
  const means = { q: meanOf(head.q, dim), k: meanOf(head.k, dim) };
  // The query's mirror image in the mean: the two of them have the same mean as all.
  const mirror = own.map((x, t) => 2 * (means.q[t] as number) - x);
  const logits = new Float64Array(keys);
  const lengths = new Float64Array(keys);
  for (let j = 0; j < keys; j++) {
    for (let t = 0; t < dim; t++) {
      const [x, y] = [own[t] as number, k[j * dim + t] as number];
      logits[j] = (logits[j] as number) + b * x * y;
      const centre = centred ? (means.q[t] as number) + (means.k[t] as number) : 0;
      lengths[j] = (lengths[j] as number) + b * (x + y - centre) ** 2;
    }
  }
  const most = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const exact = logits.map((logit) => Math.exp(logit - most));
  const sum = exact.reduce((sum, x) => sum + x, 0);
  const cross = means.q.reduce((sum, x, t) => sum + x * (means.k[t] as number), 0);
  return {
    q: centred ? Float32Array.of(...own, ...mirror) : own,
    queries: centred ? 2 : 1,
    ...{ k, v, keys, logits, lengths },
    exact: exact.map((x) => x / sum),
    spread: b * (meanSquare(head.q, dim) + meanSquare(head.k, dim) + 2 * cross),
  };
}

function meanOf(tokens: Float32Array, dim: number): Float64Array {
  const mean = new Float64Array(dim);
  tokens.forEach((x, i) => {
    mean[i % dim] = (mean[i % dim] as number) + (x * dim) / tokens.length;
  });
  return mean;
}

function meanSquare(tokens: Float32Array, dim: number): number {
  return (tokens.reduce((sum, x) => sum + x * x, 0) * dim) / tokens.length;
}
