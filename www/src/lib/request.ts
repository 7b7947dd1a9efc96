import type { Head, HeadShape } from "./head.ts";
import type { FeaturesKind, State } from "./state.ts";

/** The part of the state that the package is asked about. */
export type Question = Pick<State, "temperature" | "budget" | "split" | "support" | "features" | "seed">;

export const METHODS = ["sparse", "low-rank", "scatterbrain"] as const;
export type MethodName = (typeof METHODS)[number];

export function questionOf({ temperature, budget, split, support, features, seed }: Question): Question {
  return { temperature, budget, split, support, features, seed };
}

/** Options that `decompose` and `sweep` have in common. */
export function commonOptions(question: Question, head: Head) {
  const { q, k, v } = head;
  return { q, k, v, ...plainOptions(question, head) };
}

/** The same without the numbers. No sizes: the package sizes both parts from the budget. */
export function plainOptions(
  question: Omit<Question, "temperature">,
  { tokens, dim, valueDim, scale, causal }: HeadShape,
) {
  return {
    shape: { batch: 1, heads: 1, queries: tokens, keys: tokens, dim, valueDim, kvHeads: 1 },
    budget: question.budget,
    split: question.split,
    support: { kind: question.support },
    features: featureOptions(question.features),
    scale,
    causal,
    seed: question.seed,
  };
}

function featureOptions(kind: FeaturesKind) {
  switch (kind) {
    case "favor-hyperbolic":
      return { kind: "favor", hyperbolic: true } as const;
    case "favor-centred":
      return { kind: "favor", center: true } as const;
    case "taylor-1":
      return { kind: "taylor", order: 1 } as const;
    case "taylor-2":
      return { kind: "taylor", order: 2 } as const;
    default:
      return { kind };
  }
}
