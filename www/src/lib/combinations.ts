import type { FeaturesKind, Replacement, SupportKind } from "./state.ts";

export const SUPPORT_LABELS: Record<SupportKind, string> = {
  clusters: "Clusters, refined",
  window: "Window",
  "top-k": "Top-k (oracle)",
  lsh: "LSH, cross-polytope",
  smyrf: "SMYRF hashing",
};

export const SUPPORT_NOTES: Record<SupportKind, string> = {
  clusters: "A tree of clusters of keys; each query opens the parts that promise most, down to single keys.",
  window: "The nearest keys by position. No hashing at all.",
  "top-k": "The largest entries, found by looking at every one: the best support there is, at full cost.",
  lsh: "Queries and keys that fall into the same bucket of a cross-polytope hash.",
  smyrf: "Queries and keys sorted along random directions and cut into equal clusters.",
};

export const FEATURES_LABELS: Record<FeaturesKind, string> = {
  landmarks: "Landmarks (clusters)",
  favor: "FAVOR+",
  "favor-hyperbolic": "FAVOR+, hyperbolic",
  "favor-centred": "FAVOR+, centred",
  optimal: "Optimal positive features",
  elu: "elu + 1",
  "taylor-1": "Taylor, order 1",
  "taylor-2": "Taylor, order 2",
};

export const FEATURES_NOTES: Record<FeaturesKind, string> = {
  landmarks:
    "Each cluster left closed is one logit and one mean value. Sizes itself beside the support. Biased.",
  favor: "Positive random features, the paper’s choice. Unbiased.",
  "favor-hyperbolic": "Every random direction is used with both signs. Unbiased.",
  "favor-centred": "Queries and keys are centred first, which lowers the variance. Unbiased.",
  optimal: "Random features tuned to the length of this head’s vectors. Unbiased.",
  elu: "A fixed map with one feature per dimension. Biased.",
  "taylor-1": "1 + q·k, with keys centred. Entries may be negative. Biased.",
  "taylor-2": "Quadratic in q·k: far more features than the budget has room for. Biased.",
};

/** Why this support cannot be had on this kind of head, or null. */
export function supportReason(kind: SupportKind, causal: boolean): string | null {
  return causal && kind === "smyrf"
    ? "sorts the whole sequence, so a causal head would see its future"
    : null;
}

/** Why these features cannot be had on this kind of head, or null. */
export function featuresReason(kind: FeaturesKind, causal: boolean, support: SupportKind): string | null {
  if (kind === "landmarks" && support !== "clusters")
    return "stand for clusters: choose those as the support";
  if (!causal) return null;
  if (kind === "favor-centred") return "takes its mean over the whole sequence, future included";
  if (kind === "optimal") return "is tuned on the whole sequence, future included";
  return null;
}

interface Parts {
  support: SupportKind;
  features: FeaturesKind;
}

/** The nearest parts that this kind of head can have, and what was replaced. */
export function nearestParts(parts: Parts, causal: boolean): { parts: Parts; replacements: Replacement[] } {
  let { support, features } = parts;
  const replacements: Replacement[] = [];
  const noSupport = supportReason(support, causal);
  if (noSupport) {
    replacements.push({ what: "support", from: support, to: "window", reason: noSupport });
    support = "window";
  }
  const noFeatures = featuresReason(features, causal, support);
  if (noFeatures) {
    replacements.push({ what: "features", from: features, to: "favor", reason: noFeatures });
    features = "favor";
  }
  return { parts: { support, features }, replacements };
}
