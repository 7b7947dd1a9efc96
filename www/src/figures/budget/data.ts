export const BUDGETS = [0.01, 0.02, 0.035, 0.05, 0.075, 0.125, 0.2, 0.3, 0.5] as const;

/** In the order of the table. */
export const LINES = [
  "sparse",
  "low-rank",
  "scatterbrain",
  "clusters",
  "top-k",
  "top-k and features",
  "best low rank",
  "top-k and best low rank",
] as const;
export type Line = (typeof LINES)[number];

/** Relative output errors at one budget; some heads do not have every line. */
export interface BudgetPoint {
  budget: number;
  errors: Partial<Record<Line, number>>;
}

export interface BudgetData {
  points: BudgetPoint[];
}
