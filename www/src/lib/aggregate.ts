/** A picture's worth of entries: one value per device pixel. */
export interface Grid {
  width: number;
  height: number;
  /** Row-major. `MASKED` where no entry exists; NaN where an entry is NaN. */
  values: Float32Array<ArrayBuffer>;
}

/** Stands for "no such entry" (a key in the future). No entry of a matrix is ever minus infinity. */
export const MASKED = Number.NEGATIVE_INFINITY;

/**
 * Shrinks a row-major matrix to at most `size` by `size`: each pixel takes the entry of largest magnitude beneath
 * it, with its sign. A mean would drown the single large entries that sharp attention consists of.
 * A NaN anywhere in a block is shown.
 */
export function aggregate(
  matrix: Float32Array,
  rows: number,
  columns: number,
  size: number,
  causal: boolean,
): Grid {
  const height = Math.min(rows, size);
  const width = Math.min(columns, size);
  const values = new Float32Array(width * height).fill(MASKED);
  // Of the value so far; below any magnitude where there is none, above any where there is a NaN.
  const magnitudes = new Float32Array(width * height).fill(-1);
  const rowPixels = pixelOfEntry(rows, height);
  const columnPixels = pixelOfEntry(columns, width);
  // A million entries a map, four maps a picture: one pass in the order of memory.
  for (let i = 0; i < rows; i++) {
    const start = (rowPixels[i] as number) * width;
    const entries = causal ? Math.min(columns, i + 1) : columns;
    for (let j = 0; j < entries; j++) {
      const value = matrix[i * columns + j] as number;
      const at = start + (columnPixels[j] as number);
      // Not ">": that would be false for NaN.
      if (!(Math.abs(value) <= (magnitudes[at] as number))) {
        magnitudes[at] = Number.isNaN(value) ? Number.POSITIVE_INFINITY : Math.abs(value);
        values[at] = value;
      }
    }
  }
  return { width, height, values };
}

/** Which pixel each entry of a side falls into. Blocks differ in size by at most one. */
function pixelOfEntry(entries: number, pixels: number): Uint32Array {
  const out = new Uint32Array(entries);
  for (let pixel = 0; pixel < pixels; pixel++) {
    out.fill(pixel, Math.floor((pixel * entries) / pixels), Math.floor(((pixel + 1) * entries) / pixels));
  }
  return out;
}

/** "3 × 3", "2–3 × 2–3": the entries beneath one pixel; null when every entry has a pixel of its own. */
export function blockSize(entries: number, pixels: number): string | null {
  if (entries <= pixels) return null;
  const ratio = entries / pixels;
  const side = Number.isInteger(ratio) ? `${ratio}` : `${Math.floor(ratio)}–${Math.ceil(ratio)}`;
  return `${side} × ${side}`;
}
