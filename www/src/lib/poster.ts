import { type Grid, MASKED } from "./aggregate.ts";
import type { CurvePoint, Summary } from "./results.ts";
import type { Maps, Scale } from "./scale.ts";

/** The default picture, computed when the page is built and shown until the real one is there. */
export interface Poster {
  tokens: number;
  causal: boolean;
  summary: Summary;
  curve: CurvePoint[];
  grids: Maps<Grid>;
  scales: Maps<Scale>;
}

const MAPS = ["exact", "lowRank", "sparse", "error"] as const;
const LEVELS = 31;
/** One more level than the colours need stands for entries that do not exist. */
const MASKED_LEVEL = LEVELS + 1;

/**
 * A poster is a JSON head and four pictures of one byte an entry: the place on the colour scale in 32 levels. That
 * is plenty for a second's look, and it compresses well.
 */
export function encodePoster(
  poster: Poster,
  position: (scale: Scale, value: number) => number,
): Uint8Array<ArrayBuffer> {
  const { grids, ...rest } = poster;
  const { width, height } = grids.exact;
  const head = new TextEncoder().encode(JSON.stringify({ ...rest, width, height }));
  const out = new Uint8Array(4 + head.length + MAPS.length * width * height);
  new DataView(out.buffer).setUint32(0, head.length, true);
  out.set(head, 4);
  MAPS.forEach((name, m) => {
    const offset = 4 + head.length + m * width * height;
    grids[name].values.forEach((value, i) => {
      out[offset + i] =
        value === MASKED ? MASKED_LEVEL : Math.round(position(poster.scales[name], value) * LEVELS);
    });
  });
  return out;
}

export function decodePoster(buffer: ArrayBuffer, valueAt: (scale: Scale, t: number) => number): Poster {
  const headLength = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, headLength)));
  const { width, height, ...rest } = head as Omit<Poster, "grids"> & { width: number; height: number };
  const grid = (m: number): Grid => {
    const levels = new Uint8Array(buffer, 4 + headLength + m * width * height, width * height);
    const scale = rest.scales[MAPS[m] as keyof Maps<Scale>];
    const values = Float32Array.from(levels, (level) =>
      level === MASKED_LEVEL ? MASKED : valueAt(scale, level / LEVELS),
    );
    return { width, height, values };
  };
  return { ...rest, grids: { exact: grid(0), lowRank: grid(1), sparse: grid(2), error: grid(3) } };
}
