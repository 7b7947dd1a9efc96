import { METHODS, type MethodName } from "../../lib/request.ts";
import { median } from "../fit.ts";
import type { HeadPoint } from "./data.ts";

/** Medians over points of about the same entropy. */
export interface Band {
  /** Where it borders on its neighbours. */
  from: number;
  to: number;
  entropy: number;
  errors: Record<MethodName, number>;
  best: MethodName;
}

/** A median of fewer says little. */
const LEAST = 6;
const MOST_BANDS = 9;

/** Points in the order of their entropy, cut into groups of equal size. */
export function bandsOf(points: readonly HeadPoint[]): Band[] {
  const sorted = [...points].sort((a, b) => a.entropy - b.entropy);
  const count = Math.min(MOST_BANDS, Math.floor(sorted.length / LEAST));
  const edge = (i: number) => Math.round((i * sorted.length) / count);
  const at = (i: number) => sorted[i]?.entropy ?? Number.NaN;
  // Halfway between the last of one group and the first of the next.
  const border = (i: number) => (at(edge(i) - 1) + at(edge(i))) / 2;
  return Array.from({ length: count }, (_, i) => {
    const group = sorted.slice(edge(i), edge(i + 1));
    const errors = Object.fromEntries(
      METHODS.map((method) => [method, median(group.map((point) => point.errors[method]))]),
    ) as Record<MethodName, number>;
    return {
      from: i === 0 ? at(0) : border(i),
      to: i === count - 1 ? at(sorted.length - 1) : border(i + 1),
      entropy: median(group.map(({ entropy }) => entropy)),
      errors,
      best: METHODS.reduce((best, method) => (errors[method] < errors[best] ? method : best)),
    };
  });
}

/** The entropies at which the lines of sparse and low rank cross, straight in the logarithm of the error. */
export function crossings(bands: readonly Band[]): number[] {
  const lead = ({ errors }: Band) => Math.log(errors["low-rank"] / errors.sparse);
  return bands.flatMap((band, i) => {
    const next = bands[i + 1];
    if (!next || lead(band) > 0 === lead(next) > 0) return [];
    const share = lead(band) / (lead(band) - lead(next));
    return [band.entropy + share * (next.entropy - band.entropy)];
  });
}

/** More than rounding. */
const MARGIN = 1.01;

/** The points at which this method is better than the other two by a hundredth. */
export function wins(points: readonly HeadPoint[], method: MethodName): number {
  return points.filter(({ errors }) =>
    METHODS.every((other) => other === method || errors[method] * MARGIN < errors[other]),
  ).length;
}

/** Of a row over `tokens` keys, or over those that a query sees: the mean of the most that a row's entropy can be. */
export function mostEntropy(tokens: number, causal: boolean): number {
  if (!causal) return Math.log(tokens);
  let sum = 0;
  for (let seen = 1; seen <= tokens; seen++) sum += Math.log(seen);
  return sum / tokens;
}
