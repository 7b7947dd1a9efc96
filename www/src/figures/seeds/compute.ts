import { plainOptions } from "../../lib/request.ts";
import { getHead } from "../../worker/heads.ts";
import type { Bench, Update } from "../figure.ts";
import { type Convergence, type Entry, SEEDS, type SeedsData } from "./data.ts";
import { Groups } from "./groups.ts";
import { type Row, rowOf } from "./row.ts";
import { isUnbiased, relativeVariance } from "./variance.ts";

/** Entries that are smaller shares of their row are lost in 32-bit floats. */
const SMALLEST = 1e-25;
/** Between two drawings. */
const PAUSE_MS = 250;

/** The low-rank part of one row over many seeds, before the row is normalised. */
export async function computeSeeds(bench: Bench, update: Update<SeedsData>): Promise<void> {
  const { sb, source, question, cell, signal, step } = bench;
  const kind = question.features;
  if (!isUnbiased(kind))
    throw new Error(`The features “${kind}” are biased: their mean is not the exact entry.`);
  const head = await getHead(source, signal, () => {});
  const query = Math.min(head.tokens - 1, cell?.query ?? head.tokens >> 1);
  const row = rowOf(head, query, question.temperature, kind === "favor-centred");
  const count = await featureCount(bench);
  const { scale, features, shape } = plainOptions(question, head);
  const tuned = kind === "optimal" ? { spread: row.spread } : {};
  const options = {
    ...{ q: row.q, k: row.k, v: row.v, scale, temperature: question.temperature },
    shape: { ...shape, queries: row.queries, keys: row.keys },
    features: { ...features, ...tuned, count },
    method: "low-rank",
  } as const;
  const map = { kind, count, dim: head.dim, spread: row.spread };
  const kept = Array.from(row.exact.keys()).filter((key) => (row.exact[key] as number) > SMALLEST);
  const predicted = kept.map((key) => relativeVariance(map, row.lengths[key] as number));
  const totals = new Totals(row, kept, predicted);
  let last = 0;
  for (let i = 0; i < SEEDS; i++) {
    const seed = question.seed + i;
    const { lowRank, logNormalizer } = await step((signal) => sb.decompose({ ...options, seed, signal }));
    const log = logNormalizer[0] as number;
    totals.add(
      Float64Array.from(kept, (key) =>
        Math.exp(Math.log(lowRank[key] as number) + log - (row.logits[key] as number)),
      ),
    );
    if (i < SEEDS - 1 && performance.now() - last < PAUSE_MS) continue;
    await update({ query, features: count, seeds: i + 1, ...totals.sum() }, (i + 1) / SEEDS);
    last = performance.now();
  }
}

/** As many as the estimator with both parts has: it decides for itself what the budget allows. */
async function featureCount({ sb, source, question, signal, step }: Bench): Promise<number> {
  const head = await getHead(source, signal, () => {});
  const { q, k, v } = head;
  const options = { q, k, v, ...plainOptions(question, head), temperature: question.temperature };
  const { stats } = await step((signal) => sb.attention({ ...options, method: "scatterbrain", signal }));
  return stats.features;
}

/** Estimates as shares of the exact entries, added up seed by seed. */
class Totals {
  readonly #row: Row;
  readonly #kept: readonly number[];
  readonly #predicted: readonly number[];
  readonly #mean: Float64Array;
  /** Sums of squared distances from the mean (Welford). */
  readonly #squares: Float64Array;
  readonly #groups: Groups<Omit<Convergence, "seeds" | "predicted">>;
  #seeds = 0;

  constructor(row: Row, kept: readonly number[], predicted: readonly number[]) {
    this.#row = row;
    this.#kept = kept;
    this.#predicted = predicted;
    this.#mean = new Float64Array(kept.length);
    this.#squares = new Float64Array(kept.length);
    const exact = this.#weights();
    const order = Array.from(exact.keys()).sort((a, b) => (exact[b] as number) - (exact[a] as number));
    const [largest, middle] = [order[0] as number, order[order.length >> 1] as number];
    const size = norm(exact);
    this.#groups = new Groups((mean) => {
      const off = mean.map((share) => share - 1);
      return {
        row: norm(off.map((share, i) => share * (exact[i] as number))) / size,
        largest: Math.abs(off[largest] as number),
        middle: Math.abs(off[middle] as number),
      };
    });
  }

  add(shares: Float64Array): void {
    this.#seeds++;
    shares.forEach((share, i) => {
      const before = share - (this.#mean[i] as number);
      this.#mean[i] = (this.#mean[i] as number) + before / this.#seeds;
      this.#squares[i] = (this.#squares[i] as number) + before * (share - (this.#mean[i] as number));
    });
    this.#groups.add(shares);
  }

  sum(): { convergence: Convergence[]; entries: Entry[] } {
    const exact = this.#weights();
    const noise = norm(exact.map((x, i) => x * Math.sqrt(this.#predicted[i] as number))) / norm(exact);
    const [row, largest, middle] = (["row", "largest", "middle"] as const).map((of) =>
      this.#groups.medians((distance) => distance[of]),
    );
    const convergence = (row ?? []).map(({ size, value }, level) => ({
      seeds: size,
      row: value,
      largest: largest?.[level]?.value ?? Number.NaN,
      middle: middle?.[level]?.value ?? Number.NaN,
      predicted: noise / Math.sqrt(size),
    }));
    const entries = this.#kept.map((key, i) => ({
      key,
      exact: exact[i] as number,
      mean: this.#mean[i] as number,
      variance: (this.#squares[i] as number) / Math.max(1, this.#seeds - 1),
      predicted: this.#predicted[i] as number,
    }));
    return { convergence, entries };
  }

  #weights(): Float64Array {
    return Float64Array.from(this.#kept, (key) => this.#row.exact[key] as number);
  }
}

function norm(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
}
