import { GridBuilder } from "./aggregate.ts";
import type { Head } from "./head.ts";
import type { Region } from "./region.ts";
import type { Entry } from "./results.ts";
import type { Maps } from "./scale.ts";
import type { Cell } from "./state.ts";

/** Consecutive rows of the matrices of one head, normalised: row-major [rows, tokens], `first` being the first of them. */
export interface MatrixRows {
  first: number;
  exact: Float32Array<ArrayBuffer>;
  lowRank: Float32Array<ArrayBuffer>;
  sparse: Float32Array<ArrayBuffer>;
  approximation: Float32Array<ArrayBuffer>;
  /** 1 where the entry is in the support. */
  support: Uint8Array<ArrayBuffer>;
}

/**
 * Rows `query` and after of one map, `count` of them. Errors are not kept: they are made when they are wanted, in `room` if
 * there is some for them.
 */
export function mapRows(
  { first, exact, approximation, ...others }: MatrixRows,
  map: keyof Maps<unknown>,
  query: number,
  count: number,
  tokens: number,
  room?: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const [start, end] = [(query - first) * tokens, (query - first + count) * tokens];
  if (map === "exact") return exact.subarray(start, end);
  if (map !== "error") return others[map].subarray(start, end);
  const rows = (room ?? new Float32Array(end - start)).subarray(0, end - start);
  for (let i = 0; i < rows.length; i++) {
    rows[i] = (approximation[start + i] as number) - (exact[start + i] as number);
  }
  return rows;
}

/** So many rows of errors stay in a cache while they are made and looked through. */
const ROWS = 16;

/** Grids of all four maps, built while the rows come in. */
export class MapsBuilder {
  readonly #tokens: number;
  readonly #builders: Maps<GridBuilder>;
  readonly #room: Float32Array<ArrayBuffer>;

  constructor({ tokens, causal }: Pick<Head, "tokens" | "causal">, size: number, region?: Region) {
    const builder = () => new GridBuilder(tokens, size, causal, region);
    this.#tokens = tokens;
    this.#room = new Float32Array(ROWS * tokens);
    this.#builders = { exact: builder(), lowRank: builder(), sparse: builder(), error: builder() };
  }

  add(rows: MatrixRows): void {
    const { exact, lowRank, sparse, error } = this.#builders;
    exact.add(rows.exact, rows.first);
    lowRank.add(rows.lowRank, rows.first);
    sparse.add(rows.sparse, rows.first);
    const end = rows.first + rows.exact.length / this.#tokens;
    for (let query = rows.first; query < end; query += ROWS) {
      const count = Math.min(ROWS, end - query);
      error.add(mapRows(rows, "error", query, count, this.#tokens, this.#room), query);
    }
  }

  get grids() {
    const { exact, lowRank, sparse, error } = this.#builders;
    return { exact: exact.grid, lowRank: lowRank.grid, sparse: sparse.grid, error: error.grid };
  }
}

/** One cell of `rows`, which hold its query; logits are b q·k. */
export function entryOf(rows: MatrixRows, head: Head, b: number, { query, key }: Cell): Entry {
  const { q, k, dim, tokens } = head;
  let dot = 0;
  for (let i = 0; i < dim; i++) dot += (q[query * dim + i] as number) * (k[key * dim + i] as number);
  const at = (query - rows.first) * tokens + key;
  const [exact, approximation] = [rows.exact[at] as number, rows.approximation[at] as number];
  return {
    query,
    key,
    masked: head.causal && key > query,
    dot,
    logit: b * dot,
    exact,
    lowRank: rows.lowRank[at] as number,
    sparse: rows.sparse[at] as number,
    approximation,
    error: Math.fround(approximation - exact),
    inSupport: rows.support[at] === 1,
  };
}
