import type { CurvePoint } from "./results.ts";

/** No error below this is told apart: it is single precision. */
const SMALLEST = 1e-4;
/** And none above: an estimate that is a hundred times off is simply wrong. */
const LARGEST = 100;
/** The domain covers at least this, so that a curve does not jump while its points come in. */
const USUAL = { low: 0.01, high: 2 };

/** The error axis: what the curves need, within what is worth showing. */
export function curveDomain(points: readonly CurvePoint[]): { low: number; high: number } {
  let { low, high } = USUAL;
  for (const { errors } of points) {
    for (const error of Object.values(errors)) {
      if (error < low) low = Math.max(SMALLEST, error);
      if (error > high) high = Math.min(LARGEST, error);
    }
  }
  return { low, high };
}
