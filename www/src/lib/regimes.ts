import { METHODS, type MethodName } from "./request.ts";
import type { CurvePoint } from "./results.ts";

/** A range of temperatures at which one method has the least error. */
export interface Regime {
  method: MethodName;
  from: number;
  to: number;
}

/** Scatterbrain has to beat its parts by more than rounding: by one per cent. */
const MARGIN = Math.log(1.01);
/** What is below has no error to speak of. */
const LEAST_ERROR = 1e-4;
/** Parts that the way between two points is looked at in. */
const STEPS = 16;

/**
 * Which method is best from which temperature to which, at the same budget. `points` ascend in temperature; between
 * two of them the curves are taken as straight lines in the logarithms.
 */
export function regimesOf(points: readonly CurvePoint[]): Regime[] {
  const regimes: Regime[] = [];
  points.slice(1).forEach((b, i) => {
    const a = points[i] as CurvePoint;
    for (let n = 0; n < STEPS; n++) {
      const at = (step: number) => a.temperature * (b.temperature / a.temperature) ** (step / STEPS);
      const method = bestOf(between(a, b, (n + 0.5) / STEPS));
      const to = n + 1 === STEPS ? b.temperature : at(n + 1);
      const last = regimes.at(-1);
      if (last?.method === method) last.to = to;
      else regimes.push({ method, from: last?.to ?? a.temperature, to });
    }
  });
  return regimes;
}

/** Logarithms of the errors, part of the way from one point to another. */
function between(a: CurvePoint, b: CurvePoint, share: number): Record<MethodName, number> {
  const log = ({ errors }: CurvePoint, method: MethodName) => Math.log(Math.max(errors[method], LEAST_ERROR));
  const all = METHODS.map((method) => [method, (1 - share) * log(a, method) + share * log(b, method)]);
  return Object.fromEntries(all) as Record<MethodName, number>;
}

function bestOf(logs: Record<MethodName, number>): MethodName {
  const part = logs.sparse <= logs["low-rank"] ? "sparse" : "low-rank";
  return logs.scatterbrain < logs[part] - MARGIN ? "scatterbrain" : part;
}
