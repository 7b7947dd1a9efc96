import { computeBudget } from "./budget/compute.ts";
import type { Compute, FigureData } from "./figure.ts";

/** The worker's side of every figure; fetched with the first one that is asked for. */
export const computations: { [Id in keyof FigureData]: Compute<FigureData[Id]> } = {
  budget: computeBudget,
};
