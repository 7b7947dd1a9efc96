import { type Grid, MASKED } from "./aggregate.ts";
import { magnitudeRamp, nanColour, signedRamp, type Theme, TRANSPARENT } from "./colour.ts";
import { Levels } from "./levels.ts";
import type { Scale } from "./scale.ts";

/**
 * Colours a grid into image data of `width` by `height` device pixels, at least as many as the grid has; each
 * value covers a whole number of pixels, so small matrices get sharp squares.
 */
export function paint(
  grid: Grid,
  scale: Scale,
  theme: Theme,
  width: number,
  height: number,
): Uint8ClampedArray<ArrayBuffer> {
  const { pixels } = scale.kind === "signed" ? signedRamp(theme) : magnitudeRamp();
  const colours = new Uint32Array(grid.values.length);
  const { values } = grid;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const levels = levelsOf(scale, pixels.length);
  for (let i = 0; i < colours.length; i++) {
    const value = values[i] as number;
    if (value === MASKED) colours[i] = TRANSPARENT;
    else if (Number.isNaN(value)) colours[i] = nanColour();
    else colours[i] = pixels[levels.of(bits[i] as number)] as number;
  }
  if (width === grid.width && height === grid.height) return new Uint8ClampedArray(colours.buffer);
  const out = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * grid.height) / height) * grid.width;
    for (let x = 0; x < width; x++) {
      out[y * width + x] = colours[row + Math.floor((x * grid.width) / width)] as number;
    }
  }
  return new Uint8ClampedArray(out.buffer);
}

/** Two maps often share a scale, and one scale serves every view of a picture. */
const known = new WeakMap<Scale, Levels>();

function levelsOf(scale: Scale, count: number): Levels {
  let levels = known.get(scale);
  if (!levels) {
    levels = new Levels(scale, count);
    known.set(scale, levels);
  }
  return levels;
}
