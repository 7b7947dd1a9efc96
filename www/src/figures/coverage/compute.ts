import { coverageOf } from "../../lib/coverage.ts";
import type { Bench, Update } from "../figure.ts";
import { decomposed } from "../matrices.ts";
import { CHOICES, type CoverageData } from "./data.ts";

export async function computeCoverage(bench: Bench, update: Update<CoverageData>): Promise<void> {
  const { head, view } = await decomposed(bench);
  const { tokens, causal } = head;
  const coverage = coverageOf(view.exact, view.support, tokens, causal);
  const shares = CHOICES.map((choice) => [choice, [...coverage[choice].sort()]]);
  await update({ tokens, entries: coverage.entries / tokens, shares: Object.fromEntries(shares) }, 1);
}
