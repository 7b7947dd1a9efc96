import { featuresReason } from "../../lib/combinations.ts";
import { commonOptions, METHODS, type MethodName, type Question } from "../../lib/request.ts";
import { getHead } from "../../worker/heads.ts";
import type { Bench, Update } from "../figure.ts";
import { BUDGETS, type BudgetData, type BudgetPoint } from "./data.ts";

/** The three methods with the parts that the reader chose, the package's own choice, and the best support there is. */
export async function computeBudget(
  { sb, source, question, signal, step }: Bench,
  update: Update<BudgetData>,
): Promise<void> {
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
    await update(data, data.points.length / BUDGETS.length);
  }
}
