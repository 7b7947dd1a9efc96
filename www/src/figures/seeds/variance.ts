import type { FeaturesKind } from "../../lib/state.ts";

/** Whose mean over seeds is the exact entry. */
export const UNBIASED = ["favor", "favor-hyperbolic", "favor-centred", "optimal"] as const;
export type Unbiased = (typeof UNBIASED)[number];

export function isUnbiased(kind: FeaturesKind): kind is Unbiased {
  return UNBIASED.some((unbiased) => unbiased === kind);
}

export interface FeatureMap {
  kind: Unbiased;
  /** Features, both signs counted. */
  count: number;
  dim: number;
  /** The mean of |q′ + k′|² that optimal features are tuned for. */
  spread: number;
}

/**
 * The variance of an estimate before its row is normalised, as a share of the exact entry's square, for independent
 * random directions. All that it depends on is z = |q′ + k′|², the scaled query and key as the features see them.
 */
export function relativeVariance({ kind, count, dim, spread }: FeatureMap, z: number): number {
  // exp(z) - 1 for small z too.
  const plain = Math.expm1(z);
  switch (kind) {
    case "favor-hyperbolic":
      return (plain * -Math.expm1(-z)) / count;
    case "optimal": {
      const tilt = optimalTilt(spread, dim);
      const [x, y] = [1 - 4 * tilt, 1 - 8 * tilt];
      const log = dim * Math.log(x) - (dim / 2) * Math.log(y) + ((2 * x) / y - 1) * z;
      return Math.expm1(log) / count;
    }
    default:
      return plain / count;
  }
}

/** The parameter of the optimal map with the least variance at this spread (Likhosherstov et al. 2022, theorem 3.2). */
export function optimalTilt(spread: number, dim: number): number {
  const inverse = (Math.sqrt((2 * spread + dim) ** 2 + 8 * dim * spread) + 2 * spread + dim) / (2 * dim);
  return (1 - inverse) / 8;
}
