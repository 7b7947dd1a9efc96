import { median } from "../fit.ts";

/**
 * Vectors, one a seed, as means over groups of 1, 2, 4, ... of them. Groups of one size share no vector; each
 * is made of two of the size below, as a counter carries.
 */
export class Groups<Distance> {
  readonly #distance: (mean: Float64Array) => Distance;
  /** The sum of a group that waits for another to be joined with. */
  readonly #waiting: (Float64Array | null)[] = [];
  readonly #distances: Distance[][] = [];

  constructor(distance: (mean: Float64Array) => Distance) {
    this.#distance = distance;
  }

  add(vector: Float64Array): void {
    let sum = vector;
    for (let level = 0; ; level++) {
      const size = 2 ** level;
      this.#distances[level] ??= [];
      this.#distances[level]?.push(this.#distance(sum.map((x) => x / size)));
      const other = this.#waiting[level];
      if (!other) {
        this.#waiting[level] = sum;
        return;
      }
      this.#waiting[level] = null;
      sum = sum.map((x, i) => x + (other[i] as number));
    }
  }

  /** Of each size, the median over its groups. */
  medians(of: (distance: Distance) => number): { size: number; value: number }[] {
    return this.#distances.map((distances, level) => ({
      size: 2 ** level,
      value: median(distances.map(of)),
    }));
  }
}
