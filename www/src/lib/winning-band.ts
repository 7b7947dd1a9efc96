import type { MethodName } from "./request.ts";
import type { CurvePoint } from "./results.ts";

export interface Band {
  from: number;
  to: number;
}

/**
 * The temperatures at which Scatterbrain beats both of its parts at the same budget, by a margin that is more than
 * rounding. `points` ascend in temperature; between two of them the curves are taken as straight lines in the
 * logarithms.
 */
export function winningBands(points: readonly CurvePoint[]): Band[] {
  const bands: Band[] = [];
  let from: number | null = null;
  points.forEach((point, i) => {
    const lead = leadOf(point);
    const previous = points[i - 1];
    if (lead > 0 && from === null) from = previous ? crossing(previous, point) : point.temperature;
    if (lead <= 0 && from !== null && previous) {
      bands.push({ from, to: crossing(previous, point) });
      from = null;
    }
  });
  const last = points.at(-1);
  if (from !== null && last) bands.push({ from, to: last.temperature });
  return bands;
}

/** One per cent. */
const MARGIN = Math.log(1.01);

/** How far the better part lies above Scatterbrain and the margin, in logarithms. */
function leadOf({ errors }: CurvePoint): number {
  const log = (method: MethodName) => Math.log(Math.max(errors[method], Number.MIN_VALUE));
  return Math.min(log("sparse"), log("low-rank")) - log("scatterbrain") - MARGIN;
}

function crossing(a: CurvePoint, b: CurvePoint): number {
  const [leadA, leadB] = [leadOf(a), leadOf(b)];
  const share = leadA === leadB ? 0.5 : leadA / (leadA - leadB);
  return a.temperature * (b.temperature / a.temperature) ** Math.min(1, Math.max(0, share));
}
