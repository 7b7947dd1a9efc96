import { type Region, wholeRegion } from "./region.ts";

/** A picture's worth of entries: one value per device pixel. */
export interface Grid {
  width: number;
  height: number;
  /** Row-major. `MASKED` where no entry exists; NaN where an entry is NaN. */
  values: Float32Array<ArrayBuffer>;
}

/** Stands for "no such entry" (a key in the future). No entry of a matrix is ever minus infinity. */
export const MASKED = Number.NEGATIVE_INFINITY;

/** The bits of a float without its sign. As integers they are ordered like magnitudes, NaN above all. */
const MAGNITUDE = 0x7fffffff;

/**
 * Shrinks a region of a matrix of `tokens` a side to at most `size` by `size`, while its rows come in: each pixel takes
 * the entry of largest magnitude beneath it, with its sign. A mean would drown the single large entries that sharp
 * attention consists of. A NaN anywhere in a block is shown.
 */
export class GridBuilder {
  readonly grid: Grid;
  readonly #tokens: number;
  readonly #causal: boolean;
  readonly #region: Region;
  readonly #out: Int32Array;
  /** Where blocks begin, and the end. */
  readonly #edges: Int32Array;
  /** The largest entry of each column in the block under way. */
  readonly #column: Int32Array;
  /** The row of pixels under way. */
  #y = 0;

  constructor(tokens: number, size: number, causal: boolean, region: Region = wholeRegion(tokens)) {
    const side = Math.min(region.size, size);
    this.grid = { width: side, height: side, values: new Float32Array(side * side).fill(MASKED) };
    this.#tokens = tokens;
    this.#causal = causal;
    this.#region = region;
    this.#out = new Int32Array(this.grid.values.buffer);
    this.#edges = Int32Array.from({ length: side + 1 }, (_, i) => Math.floor((i * region.size) / side));
    this.#column = new Int32Array(region.size);
  }

  /** Takes in rows of the matrix, row-major, `first` and those after it: all of the region's, in order. */
  add(rows: Float32Array<ArrayBuffer>, first: number): void {
    const tokens = this.#tokens;
    const bits = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
    const { query, key, size } = this.#region;
    const column = this.#column;
    const seenBy = (row: number) => (this.#causal ? Math.min(size, Math.max(0, row + 1 - key)) : size);
    const startOf = (row: number) => (row - first) * tokens + key;
    const end = Math.min(query + size, first + rows.length / tokens);
    for (let row = Math.max(query, first); row < end; ) {
      const [blockStart, blockEnd] = [this.#edges[this.#y] as number, this.#edges[this.#y + 1] as number];
      const stop = Math.min(end, query + blockEnd);
      if (row === query + blockStart) {
        const [start, seen] = [startOf(row), seenBy(row)];
        column.set(bits.subarray(start, start + seen));
        column.fill(0, seen);
        row++;
      }
      // Down the columns, in the order of memory, two rows at a time: a million entries a map, four maps a picture.
      for (; row + 1 < stop; row += 2) {
        merge(column, bits, startOf(row), startOf(row + 1), seenBy(row));
        merge(column, bits, startOf(row + 1), startOf(row + 1), seenBy(row + 1), seenBy(row));
      }
      if (row < stop) merge(column, bits, startOf(row), startOf(row), seenBy(row));
      row = stop;
      // The last row of a block sees the most keys.
      if (stop === query + blockEnd) this.#write(seenBy(stop - 1));
    }
  }

  /** Ends a row of pixels. */
  #write(seen: number): void {
    const [column, edges, out] = [this.#column, this.#edges, this.#out];
    const { width } = this.grid;
    for (let x = 0; x < width; x++) {
      const from = edges[x] as number;
      const to = Math.min(seen, edges[x + 1] as number);
      if (from >= to) break;
      let most = column[from] as number;
      for (let j = from + 1; j < to; j++) {
        most = larger(column[j] as number, most);
      }
      out[this.#y * width + x] = most;
    }
    this.#y++;
  }
}

/** Raises columns, `from` to before `to`, to what two rows have there. */
function merge(column: Int32Array, bits: Int32Array, a: number, b: number, to: number, from = 0): void {
  for (let j = from; j < to; j++) {
    column[j] = larger(larger(bits[a + j] as number, bits[b + j] as number), column[j] as number);
  }
}

/** The float of larger magnitude, in bits. Without a branch, which random entries would mispredict. */
function larger(a: number, b: number): number {
  const first = ((b & MAGNITUDE) - (a & MAGNITUDE)) >> 31;
  return b ^ ((a ^ b) & first);
}

/** The part of a grid of the whole matrix that covers a region: coarse, but at hand. */
export function crop({ width, height, values }: Grid, region: Region, tokens: number): Grid {
  const range = (first: number, pixels: number) => {
    const from = Math.floor((first * pixels) / tokens);
    return [from, Math.max(from + 1, Math.ceil(((first + region.size) * pixels) / tokens))] as const;
  };
  const [left, right] = range(region.key, width);
  const [top, bottom] = range(region.query, height);
  const out = new Float32Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++) {
    out.set(values.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  }
  return { width: right - left, height: bottom - top, values: out };
}

/** "3 × 3", "2–3 × 2–3": the entries beneath one pixel; null when every entry has a pixel of its own. */
export function blockSize(entries: number, pixels: number): string | null {
  if (entries <= pixels) return null;
  const ratio = entries / pixels;
  const side = Number.isInteger(ratio) ? `${ratio}` : `${Math.floor(ratio)}–${Math.ceil(ratio)}`;
  return `${side} × ${side}`;
}
