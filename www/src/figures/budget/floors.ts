import { budgetFloats } from "../../lib/budget.ts";
import type { Head } from "../../lib/head.ts";
import { missing, productWith, withoutLargest } from "../../lib/low-rank-floor.ts";
import { squaredNorm, truncatedSvd } from "../../lib/svd.ts";

/** A truncated SVD of more terms takes too long. */
export const MOST_TERMS = 128;

export type Turn = (fraction: number) => Promise<void>;

/**
 * Lower bounds that look at the whole matrix, `exact`: errors of the output for which the rows of the approximation stay
 * as they are, without a normaliser.
 */
export class Floors {
  readonly #head: Head;
  readonly #exact: Float32Array;
  readonly #product: Float64Array;
  /** Of the exact output, squared. */
  readonly #norm: number;
  readonly #seed: number;

  constructor(head: Head, exact: Float32Array, seed: number) {
    this.#head = head;
    this.#exact = exact;
    this.#product = productWith(exact, head.v, head.valueDim);
    this.#norm = squaredNorm(this.#product);
    this.#seed = seed;
  }

  /** The best matrix of as many terms as each budget has floats, or undefined. */
  async lowRank(budgets: readonly number[], turn: Turn): Promise<(number | undefined)[]> {
    const { tokens } = this.#head;
    const counts = budgets.map((budget) => budgetFloats(budget, tokens));
    const most = Math.max(0, ...counts.filter((count) => count <= MOST_TERMS));
    const squares = await this.#missing(this.#exact, most, this.#product, turn);
    return counts.map((count) => this.#error(squares[count]));
  }

  /** The largest entries of each row, and the best low rank of the rest. Undefined where that takes too many terms. */
  async both(budget: number, split: number, turn: Turn): Promise<number | undefined> {
    const { tokens, v, valueDim } = this.#head;
    const floats = budgetFloats(budget, tokens);
    // As the package shares a budget out.
    const terms = Math.max(1, floats - Math.round(split * floats));
    if (terms > MOST_TERMS) return undefined;
    const rest = withoutLargest(this.#exact, tokens, floats - terms);
    const squares = await this.#missing(rest, terms, productWith(rest, v, valueDim), turn);
    return this.#error(squares[terms]);
  }

  async #missing(matrix: Float32Array, count: number, product: Float64Array, turn: Turn) {
    const { tokens, valueDim } = this.#head;
    const { values, left } = await truncatedSvd(
      { values: matrix, rows: tokens, columns: tokens },
      count,
      this.#seed,
      turn,
    );
    return missing(left, values.length, product, valueDim);
  }

  #error(square: number | undefined): number | undefined {
    return square === undefined || this.#norm === 0 ? undefined : Math.sqrt(square / this.#norm);
  }
}
