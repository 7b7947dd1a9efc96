import type { Span, Transform } from "./state.ts";
import type { Stats } from "./stats.ts";

/**
 * From a matrix entry to a place on a colour ramp, 0 to 1.
 * - `magnitude`: entries >= 0; `low` is at 0 and `high` at 1.
 * - `signed`: zero is at 0.5, ±`high` at the ends; on a logarithmic scale magnitudes up to `low` count as zero.
 */
export interface Scale {
  kind: "magnitude" | "signed";
  transform: Transform;
  low: number;
  high: number;
}

/** A logarithmic scale shows three decades: below a thousandth of the largest, nothing moves the output. */
const DECADES = 1e-3;
/** A constant matrix needs a scale too. */
const LEAST_RATIO = 1.02;

export function position(scale: Scale, value: number): number {
  if (scale.kind === "magnitude") return clamp(shape(scale, value));
  const size = clamp(
    scale.transform === "linear" ? Math.abs(value) / scale.high : shape(scale, Math.abs(value)),
  );
  return value < 0 ? 0.5 - size / 2 : 0.5 + size / 2;
}

function shape({ transform, low, high }: Scale, value: number): number {
  if (transform === "log") return Math.log(Math.max(value, low) / low) / Math.log(high / low);
  if (transform === "sqrt") {
    const floor = Math.sqrt(low);
    return (Math.sqrt(Math.max(value, 0)) - floor) / (Math.sqrt(high) - floor);
  }
  return (value - low) / (high - low);
}

function clamp(t: number): number {
  return t > 0 ? (t < 1 ? t : 1) : 0;
}

/** The value at place `t` of the ramp: the inverse of `position` inside the scale. */
export function valueAt(scale: Scale, t: number): number {
  if (scale.kind === "signed") {
    const size = Math.abs(2 * t - 1);
    const value = size === 0 ? 0 : unshape(scale, size);
    return t < 0.5 ? -value : value;
  }
  return unshape(scale, t);
}

function unshape({ transform, low, high }: Scale, t: number): number {
  if (transform === "log") return low * (high / low) ** t;
  if (transform === "sqrt") return (Math.sqrt(low) + t * (Math.sqrt(high) - Math.sqrt(low))) ** 2;
  return low + t * (high - low);
}

/** What there is of each of the four maps: grids, scales and the like. */
export interface Maps<T> {
  exact: T;
  lowRank: T;
  sparse: T;
  error: T;
}

/**
 * The colour scales of one picture.
 *
 * Shared: everything hangs on the exact matrix. Its 99.9th percentile is the top of all four scales, so a pale
 * map is a small one. The bottom of the two magnitude maps follows the data, up to three decades down: soft
 * attention lives in a few percent around 1/n, and a fixed bottom would paint it in a single colour.
 *
 * Own: the same rule for each map by itself, for looking into a map that is pale beside the others.
 */
export function pictureScales(stats: Maps<Stats>, transform: Transform, span: Span): Maps<Scale> {
  const magnitude = magnitudeScale(stats.exact, transform);
  const signed = signedScale(transform, magnitude.high);
  const own = ({ top }: Stats) => signedScale(transform, top ?? magnitude.high);
  const negative = stats.lowRank.least < 0;
  if (span === "shared") {
    return { exact: magnitude, lowRank: negative ? signed : magnitude, sparse: signed, error: signed };
  }
  return {
    exact: magnitude,
    lowRank: negative ? own(stats.lowRank) : magnitudeScale(stats.lowRank, transform),
    sparse: own(stats.sparse),
    error: own(stats.error),
  };
}

function magnitudeScale(stats: Stats, transform: Transform): Scale {
  const high = stats.top ?? 1;
  const bottom = Math.max(stats.bottom ?? 0, transform === "log" ? high * DECADES : 0);
  return { kind: "magnitude", transform, low: Math.min(bottom, high / LEAST_RATIO), high };
}

/** A signed scale with these ends. */
export function signedScale(transform: Transform, high: number): Scale {
  return { kind: "signed", transform, ...signedEnds(transform, high) };
}

/** Around zero a linear or square-root scale starts at zero; a logarithm cannot. */
function signedEnds(transform: Transform, high: number): { low: number; high: number } {
  return { low: transform === "log" ? high * DECADES : 0, high };
}

/** Whether some entry lies beyond each end of the scale: the legend says so. */
export function clipping(scale: Scale, { least, most }: Stats): { below: boolean; above: boolean } {
  const bottom = scale.kind === "signed" ? -scale.high : scale.low;
  return { below: least < bottom - Math.abs(bottom) * 0.005, above: most > scale.high * 1.005 };
}
