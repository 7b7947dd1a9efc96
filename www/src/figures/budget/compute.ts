import { featuresReason } from "../../lib/combinations.ts";
import { commonOptions, METHODS, type MethodName, type Question } from "../../lib/request.ts";
import { getHead } from "../../worker/heads.ts";
import type { Bench, Update } from "../figure.ts";
import { decomposed, givingWay } from "../matrices.ts";
import { BUDGETS, type BudgetData, type BudgetPoint, type Line } from "./data.ts";
import { Floors } from "./floors.ts";

/** The lines that the package computes take so much of the time. */
const SWEEPS = 0.4;

/** The three methods with the parts that the reader chose, the package's own choice, and the best support there is. */
export async function computeBudget(bench: Bench, update: Update<BudgetData>): Promise<void> {
  const { sb, source, question, signal, step } = bench;
  const head = await getHead(source, signal, () => {});
  const errors = async (asked: Question, methods: readonly MethodName[]) => {
    const options = { ...commonOptions(asked, head), temperatures: [asked.temperature], methods };
    const [point] = await step((signal) => sb.sweep({ ...options, signal }));
    return point?.errors as Record<MethodName, number>;
  };
  const oracleHasFeatures = featuresReason(question.features, head.causal, "top-k") === null;
  const data: BudgetData = { points: [] };
  for (const budget of BUDGETS) {
    const asked = { ...question, budget };
    const point: BudgetPoint = { budget, errors: await errors(asked, METHODS) };
    const clusters = await errors({ ...asked, support: "clusters", features: "landmarks" }, ["scatterbrain"]);
    point.errors.clusters = clusters.scatterbrain;
    const oracle = { ...asked, support: "top-k" } as const;
    if (oracleHasFeatures) {
      const best = await errors(oracle, ["sparse", "scatterbrain"]);
      point.errors["top-k"] = best.sparse;
      point.errors["top-k and features"] = best.scatterbrain;
    } else {
      point.errors["top-k"] = (await errors({ ...oracle, features: "favor" }, ["sparse"])).sparse;
    }
    data.points.push(point);
    await update(data, (SWEEPS * data.points.length) / BUDGETS.length);
  }
  await addFloors(bench, data, update);
}

async function addFloors(bench: Bench, data: BudgetData, update: Update<BudgetData>): Promise<void> {
  const { head, view } = await decomposed(bench);
  const { seed, split } = bench.question;
  const floors = new Floors(head, view.exact, seed);
  const share = (1 - SWEEPS) / (BUDGETS.length + 1);
  const turn = (done: number) => givingWay(bench, update, SWEEPS + done * share, SWEEPS + (done + 1) * share);
  const put = (point: BudgetPoint, line: Line, error: number | undefined) => {
    if (error !== undefined) point.errors[line] = error;
  };
  const lowRank = await floors.lowRank(BUDGETS, turn(0));
  for (const [i, point] of data.points.entries()) put(point, "best low rank", lowRank[i]);
  for (const [i, point] of data.points.entries()) {
    put(point, "top-k and best low rank", await floors.both(point.budget, split, turn(i + 1)));
    await update(data, SWEEPS + (i + 2) * share);
  }
}
