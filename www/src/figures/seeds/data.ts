/** A power of two, so that groups of 1, 2, 4, ... seeds use all of them. */
export const SEEDS = 1024;

/** Of the mean over groups of so many seeds: how far it typically lies from the exact numbers, as a share of them. */
export interface Convergence {
  seeds: number;
  /** Of the whole row, in the Euclidean norm. */
  row: number;
  /** Of the largest entry, and of that in the middle. */
  largest: number;
  middle: number;
  /** The root mean square for the row, by the formula. */
  predicted: number;
}

/** One entry over all seeds so far. Variances are shares of the exact entry's square. */
export interface Entry {
  key: number;
  /** Of the exact row, whose entries sum to 1. */
  exact: number;
  /** The mean of the estimates, as a share of the exact entry. */
  mean: number;
  variance: number;
  predicted: number;
}

export interface SeedsData {
  query: number;
  features: number;
  /** How many there are so far. */
  seeds: number;
  convergence: Convergence[];
  entries: Entry[];
}
