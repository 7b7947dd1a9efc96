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
 * Shrinks a region of a row-major matrix of `tokens` a side to at most `size` by `size`: each pixel takes the entry
 * of largest magnitude beneath it, with its sign. A mean would drown the single large entries that sharp attention
 * consists of. A NaN anywhere in a block is shown.
 */
export function aggregate(
  matrix: Float32Array<ArrayBuffer>,
  tokens: number,
  size: number,
  causal: boolean,
  region: Region = wholeRegion(tokens),
): Grid {
  const side = Math.min(region.size, size);
  const values = new Float32Array(side * side).fill(MASKED);
  const out = new Int32Array(values.buffer);
  const bits = new Int32Array(matrix.buffer, matrix.byteOffset, matrix.length);
  const edges = Int32Array.from({ length: side + 1 }, (_, i) => Math.floor((i * region.size) / side));
  const column = new Int32Array(region.size);
  for (let y = 0; y < side; y++) {
    const first = region.query + (edges[y] as number);
    const last = region.query + (edges[y + 1] as number) - 1;
    // The last row of a block sees the most keys.
    const seen = causal ? Math.min(region.size, last + 1 - region.key) : region.size;
    if (seen <= 0) continue;
    // First down the columns, in the order of memory: a million entries a map, four maps a picture.
    column.set(bits.subarray(last * tokens + region.key, last * tokens + region.key + seen));
    for (let row = first; row < last; row++) {
      const start = row * tokens + region.key;
      const end = causal ? Math.min(seen, row + 1 - region.key) : seen;
      for (let j = 0; j < end; j++) {
        column[j] = larger(bits[start + j] as number, column[j] as number);
      }
    }
    for (let x = 0; x < side; x++) {
      const from = edges[x] as number;
      const to = Math.min(seen, edges[x + 1] as number);
      if (from >= to) break;
      let most = column[from] as number;
      for (let j = from + 1; j < to; j++) {
        most = larger(column[j] as number, most);
      }
      out[y * side + x] = most;
    }
  }
  return { width: side, height: side, values };
}

/** The float of larger magnitude, in bits. Without a branch, which random entries would mispredict. */
function larger(a: number, b: number): number {
  const first = ((b & MAGNITUDE) - (a & MAGNITUDE)) >> 31;
  return b ^ ((a ^ b) & first);
}

/** The part of a grid of the whole matrix that covers a region, for when there is no matrix. */
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
