import type { Maps } from "../lib/scale.ts";
import type { HeatMapText } from "./heat-map.ts";

export const MAP_TEXTS: Maps<HeatMapText> = {
  exact: {
    className: "exact",
    operator: "",
    title: "Exact",
    formula: "softmax, rows sum to 1",
    description: "the attention weight of each query on each key",
  },
  lowRank: {
    className: "low-rank-map",
    operator: "≈",
    title: "Low rank",
    formula: "the feature map, everywhere",
    description: "what the feature map contributes to each weight",
    colour: "low-rank",
  },
  sparse: {
    className: "sparse-map",
    operator: "+",
    title: "Sparse",
    formula: "correction on the support",
    description: "what is added on the support; zero elsewhere",
    colour: "sparse",
  },
  error: {
    className: "error-map",
    operator: "",
    title: "Error",
    formula: "low rank + sparse − exact",
    description: "low rank plus sparse minus exact",
  },
};

export const MAP_NAMES = ["exact", "lowRank", "sparse", "error"] as const;

/** One of each. */
export function eachMap<T>(make: (name: keyof Maps<unknown>) => T): Maps<T> {
  return { exact: make("exact"), lowRank: make("lowRank"), sparse: make("sparse"), error: make("error") };
}
