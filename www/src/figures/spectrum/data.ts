export const MATRICES = ["exact", "low-rank", "residual"] as const;
export type MatrixName = (typeof MATRICES)[number];

/** How many singular values there are of each matrix, at most. */
export const COUNT = 128;

export const SHARES = [0.5, 0.9, 0.99] as const;

export interface Spectrum {
  matrix: MatrixName;
  /** The largest ones, descending. */
  values: number[];
  /** Of the matrix: the sum of the squares of all singular values. */
  squaredNorm: number;
  /** How many of the largest make up each of `SHARES` of it; null if it takes more than are known. */
  terms: (number | null)[];
}

export interface SpectrumData {
  features: number;
  /** Why the features do not bound the rank of the low-rank part; null if they do. */
  unbounded: "causal" | "landmarks" | null;
  spectra: Spectrum[];
}
