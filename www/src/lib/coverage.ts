/** Which share of its exact attention mass each query finds in its support, and could find. */
export interface Coverage {
  /** One share a query, in the order of the queries. */
  support: Float64Array;
  /** By its largest entries, as many as its support has. */
  best: Float64Array;
  /** By as many entries at random, in the mean. */
  random: Float64Array;
  /** Entries of the support, all queries together. */
  entries: number;
}

/** `exact` has rows that sum to 1, `support` a 1 for each entry that it holds; both row-major [tokens, tokens]. */
export function coverageOf(
  exact: Float32Array,
  support: Uint8Array,
  tokens: number,
  causal: boolean,
): Coverage {
  const make = () => new Float64Array(tokens);
  const coverage = { support: make(), best: make(), random: make(), entries: 0 };
  for (let query = 0; query < tokens; query++) {
    const row = exact.subarray(query * tokens, (query + 1) * tokens);
    const visible = causal ? query + 1 : tokens;
    let [mass, count] = [0, 0];
    for (let key = 0; key < tokens; key++) {
      if (support[query * tokens + key] !== 1) continue;
      mass += row[key] as number;
      count++;
    }
    const largest = row
      .slice()
      .sort()
      .subarray(tokens - count);
    // Rows of 32-bit floats sum to 1 but for rounding.
    coverage.support[query] = Math.min(1, mass);
    coverage.best[query] = Math.min(1, sum(largest));
    coverage.random[query] = count / visible;
    coverage.entries += count;
  }
  return coverage;
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
