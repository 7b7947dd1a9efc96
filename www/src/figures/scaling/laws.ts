import { type Place, powerLaw } from "../fit.ts";
import type { Line, ScalingPoint } from "./data.ts";

/** Below so many tokens what is the same for every call takes a large share. */
const FIRST = 1024;
/** Of exact attention, for what was not measured. */
const QUADRATIC = 2;

export type Quantity = "milliseconds" | "bytes";

export function measured(points: readonly ScalingPoint[], line: Line, quantity: Quantity): Place[] {
  return points.flatMap(({ tokens, costs }) => {
    const cost = costs[line];
    return cost ? [{ x: tokens, y: cost[quantity] }] : [];
  });
}

/** The exponent that a quantity grows with, over the sizes at which it tells. */
export function exponent(
  points: readonly ScalingPoint[],
  line: Line,
  quantity: Quantity,
): number | undefined {
  return powerLaw(measured(points, line, quantity).filter(({ x }) => x >= FIRST))?.exponent;
}

/** Where the time of exact attention would be at larger sizes: from the last that was measured, and square from there. */
export function extrapolated(points: readonly ScalingPoint[]): Place[] {
  const last = measured(points, "exact", "milliseconds").at(-1);
  const beyond = points.filter(({ tokens }) => last && tokens > last.x);
  if (!last || beyond.length === 0) return [];
  return [last, ...beyond.map(({ tokens: x }) => ({ x, y: last.y * (x / last.x) ** QUADRATIC }))];
}

/** The size from which on one line stays below another, between two that were measured; null if it does nowhere. */
export function crossing(below: readonly Place[], above: readonly Place[]): number | null {
  const gaps = below.flatMap(({ x, y }) => {
    const other = above.find((place) => place.x === x);
    return other ? [{ x: Math.log(x), gap: Math.log(y / other.y) }] : [];
  });
  const last = gaps.map(({ gap }) => gap >= 0).lastIndexOf(true);
  const [from, to] = [gaps[last], gaps[last + 1]];
  if (!to) return null;
  if (!from) return Math.exp(to.x);
  return Math.exp(from.x + (from.gap / (from.gap - to.gap)) * (to.x - from.x));
}
