import { clusterHead } from "../../lib/clusters.ts";
import { plainOptions } from "../../lib/request.ts";
import { DEFAULTS } from "../../lib/state.ts";
import { getHead } from "../../worker/heads.ts";
import type { Bench, Update } from "../figure.ts";
import { type Cost, FIXED_AT, LINES, type Line, type ScalingData, type ScalingPoint, SIZES } from "./data.ts";

/** A call that is expected to take longer is not made. */
const PATIENCE_MS = 2000;
/** A call is made again until its runs together took so long, or were so many. */
const ENOUGH = { milliseconds: 600, runs: 5 };

/** Clustered tokens of the shape of the chosen head, as many as wanted. */
export async function computeScaling(
  { sb, source, question, signal, step }: Bench,
  update: Update<ScalingData>,
): Promise<void> {
  const { dim, causal } = await getHead(source, signal, () => {});
  const data: ScalingData = { points: [] };
  const whole = SIZES.reduce((sum, tokens) => sum + tokens, 0) * LINES.length;
  let done = 0;
  for (const tokens of SIZES) {
    const head = { ...clusterHead({ ...DEFAULTS.clusters, tokens, dim }), causal };
    const { q, k, v } = head;
    const call = async (line: Line): Promise<Cost> => {
      const floats = line === "fixed" ? (question.budget * FIXED_AT) / tokens : question.budget;
      const budget = Math.min(1, floats);
      const { support, features, ...plain } = plainOptions({ ...question, budget }, head);
      const method = line === "fixed" ? "scatterbrain" : line;
      // A method takes only the parts that it has.
      const options = {
        ...{ q, k, v, ...plain },
        ...(method === "sparse" || method === "scatterbrain" ? { support } : {}),
        ...(method === "low-rank" || method === "scatterbrain" ? { features } : {}),
      };
      const { stats } = await step((signal) => sb.attention({ ...options, method, signal }));
      return { milliseconds: stats.milliseconds, bytes: stats.peakBytes };
    };
    const before = data.points.at(-1);
    const point: ScalingPoint = { tokens, costs: {} };
    data.points.push(point);
    for (const line of LINES) {
      // The engine translates a function better once it has been busy: the very first call is not counted.
      if (!before) await call(line);
      if (!before || fourfold(before.costs[line]) <= PATIENCE_MS)
        point.costs[line] = await quickest(() => call(line));
      done += tokens;
      await update(data, done / whole);
    }
  }
}

/** As long as a call of twice the tokens takes, if its time grows with their square; one that was not made is too long. */
function fourfold(cost: Cost | undefined): number {
  return 4 * (cost?.milliseconds ?? Number.POSITIVE_INFINITY);
}

/** The quickest of some runs: whatever else the machine does only adds to their times. */
async function quickest(call: () => Promise<Cost>): Promise<Cost> {
  let best = await call();
  let sum = best.milliseconds;
  for (let runs = 1; runs < ENOUGH.runs && sum < ENOUGH.milliseconds; runs++) {
    const again = await call();
    sum += again.milliseconds;
    if (again.milliseconds < best.milliseconds) best = again;
  }
  return best;
}
