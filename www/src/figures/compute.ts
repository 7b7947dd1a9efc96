import { computeBudget } from "./budget/compute.ts";
import { computeCoverage } from "./coverage/compute.ts";
import type { Compute, FigureData } from "./figure.ts";
import { computeHeads } from "./heads/compute.ts";
import { computeRobustPca } from "./robust-pca/compute.ts";
import { computeScaling } from "./scaling/compute.ts";
import { computeSeeds } from "./seeds/compute.ts";
import { computeSpectrum } from "./spectrum/compute.ts";

/** The worker's side of every figure; fetched with the first one that is asked for. */
export const computations: { [Id in keyof FigureData]: Compute<FigureData[Id]> } = {
  budget: computeBudget,
  spectrum: computeSpectrum,
  coverage: computeCoverage,
  "robust-pca": computeRobustPca,
  heads: computeHeads,
  scaling: computeScaling,
  seeds: computeSeeds,
};
