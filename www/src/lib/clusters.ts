import { randomNormal } from "d3-random";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { Head } from "./head.ts";

/** The clustered model of the paper's Theorem 1. */
export interface ClusterParameters {
  /** Tokens, 32 to 1,024. */
  tokens: number;
  /** Clusters, 1 to 64 (and at most the tokens). */
  clusters: number;
  /** Expected distance of a token from its centre; the centres have length 1. 0 to 2. */
  spread: number;
  /** Head dimension, 2 to 256. */
  dim: number;
  /** Seed of the sample, a 32-bit unsigned integer. */
  seed: number;
}

/** Logits are z·z' / temperature. */
export const CLUSTER_SCALE = 1;

/**
 * Tokens z = c + r: centres c uniform on the unit sphere, r ~ N(0, (spread²/dim) I), and queries = keys =
 * values = z. Tokens of one cluster are neighbours, which
 * makes the clusters visible as blocks along the diagonal.
 */
export function clusterHead({ tokens, clusters, spread, dim, seed }: ClusterParameters): Head {
  const generator = xoroshiro128plus(seed);
  const normal = randomNormal.source(() => uniformFloat64(generator))(0, 1);
  const centres = Array.from({ length: clusters }, () => unitVector(dim, normal));
  const z = new Float32Array(tokens * dim);
  const deviation = spread / Math.sqrt(dim);
  for (let i = 0; i < tokens; i++) {
    const centre = centres[Math.floor((i * clusters) / tokens)] as Float64Array;
    for (let t = 0; t < dim; t++) z[i * dim + t] = (centre[t] as number) + deviation * normal();
  }
  return { q: z, k: z, v: z, tokens, dim, valueDim: dim, scale: CLUSTER_SCALE, causal: false };
}

function unitVector(dim: number, normal: () => number): Float64Array {
  // A Gaussian vector has a uniform direction. Its length is zero with probability zero.
  const vector = Float64Array.from({ length: dim }, normal);
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
}
