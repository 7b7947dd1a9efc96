import { type Grid, MASKED } from "./aggregate.ts";
import { Magnitudes } from "./quantile.ts";

/** What colour scales and legends need to know about a grid. */
export interface Stats {
  /** The magnitude that 99.9 % of the entries lie below; null if none has one. */
  top: number | null;
  /** The magnitude that 1 % of the entries lie below. */
  bottom: number | null;
  /** Smallest and largest entry; infinities the wrong way round where there is none. */
  least: number;
  most: number;
  nan: boolean;
}

/** So much of the entries is clipped at the top: one in a thousand decides no colour scale. */
const TOP = 0.999;
/** And so much at the bottom, where the scale would otherwise run down to the smallest entry. */
const BOTTOM = 0.01;

export function measure({ values }: Grid): Stats {
  const magnitudes = new Magnitudes().add(values);
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  let nan = false;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value > most) most = value;
    if (value < least && value !== MASKED) least = value;
    if (Number.isNaN(value)) nan = true;
  }
  return { top: magnitudes.quantile(TOP), bottom: magnitudes.quantile(BOTTOM), least, most, nan };
}
