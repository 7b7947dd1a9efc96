import type { MethodName } from "../../lib/request.ts";
import type { Replacement } from "../../lib/state.ts";

/** Times a head's own. */
export const TEMPERATURES = [1, 0.2, 5, 0.45, 2.2, 0.7, 1.5] as const;

/** One head at one temperature. */
export interface HeadPoint {
  /** A preset, or what else is chosen above: the clusters, or a head from a file. */
  head: string;
  /** Whether it is the one that is chosen above. */
  chosen: boolean;
  temperature: number;
  /** The mean over rows, as a share of the most that it can be. */
  entropy: number;
  errors: Record<MethodName, number>;
}

export interface HeadsData {
  points: HeadPoint[];
  /** What causal heads have in place of the parts chosen above. */
  replacements: Replacement[];
}
