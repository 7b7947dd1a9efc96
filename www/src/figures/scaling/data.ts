export const SIZES = [256, 512, 1024, 2048, 4096, 8192] as const;

/** The fixed number of floats is what the budget is at so many tokens. */
export const FIXED_AT = 1024;

/** In the order of the table. */
export const LINES = ["exact", "sparse", "low-rank", "scatterbrain", "fixed"] as const;
export type Line = (typeof LINES)[number];

export interface Cost {
  milliseconds: number;
  /** Most memory held at once, inputs and output included. */
  bytes: number;
}

/** What was measured at one size; calls that would take long were not made. */
export interface ScalingPoint {
  tokens: number;
  costs: Partial<Record<Line, Cost>>;
}

export interface ScalingData {
  points: ScalingPoint[];
}

/** Of the whole matrix, in 32-bit floats. */
export const matrixBytes = (tokens: number): number => 4 * tokens * tokens;
