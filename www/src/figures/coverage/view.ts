import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber, formatPercent } from "../../lib/format.ts";
import { pictureKey } from "../../lib/state.ts";
import { axisX, axisY, plotDefaults, title } from "../chart.ts";
import { tooLarge } from "../dense.ts";
import type { Figure } from "../figure.ts";
import { CHOICES, type Choice, type CoverageData } from "./data.ts";

const TEXTS: Record<Choice, { label: string; colour: string; dash: string; width: number }> = {
  support: { label: "The support", colour: "var(--sparse)", dash: "none", width: 2.25 },
  best: { label: "As many, the largest", colour: "var(--both)", dash: "none", width: 1.25 },
  random: { label: "As many, at random", colour: "var(--soft)", dash: "1.5 3", width: 2 },
};

/** More points along a line than this cannot be told apart. */
const MOST_POINTS = 400;
const QUANTILES = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1] as const;

export const coverageFigure: Figure<"coverage"> = {
  id: "coverage",
  title: "What the support holds",
  about:
    "Each query spreads an attention mass of 1 over the keys. Which share of it lies on the entries that the support " +
    "keeps exactly? Queries are sorted by that share, worst first. The largest entries, as many for each query, are the " +
    "best support there could be; as many at random hold their share of the keys.",
  key: pictureKey,

  reason: tooLarge,

  draw({ shares }, width) {
    const points = CHOICES.flatMap((choice) =>
      thinned(shares[choice]).map((point) => ({ choice, ...point })),
    );
    const tens = [0, 0.25, 0.5, 0.75, 1];
    const chart = Plot.plot({
      ...plotDefaults(width),
      height: 280,
      x: { type: "linear", domain: [0, 1], label: null, axis: null },
      y: { type: "linear", domain: [0, 1], label: null },
      marks: [
        Plot.gridY(tens, { stroke: "var(--rule)", strokeOpacity: 1 }),
        axisY(tens, formatPercent),
        axisX(tens, formatPercent, "queries, from the one that is covered least"),
        title("share of the exact attention mass"),
        ...CHOICES.map((choice) => {
          const { colour, dash, width } = TEXTS[choice];
          return Plot.lineY(
            points.filter((point) => point.choice === choice),
            { x: "place", y: "share", stroke: colour, strokeWidth: width, strokeDasharray: dash },
          );
        }),
      ],
    });
    return { charts: [chart], legend: CHOICES.map((choice) => TEXTS[choice]) };
  },

  finding({ shares, entries, tokens }) {
    const [found, best, random] = CHOICES.map((choice) => mean(shares[choice])) as [number, number, number];
    const gained = (found - random) / (best - random);
    const comparison = Number.isFinite(gained)
      ? ` Of what the best choice has over chance, the support finds ${formatPercent(round(gained))}.`
      : "";
    return (
      `With ${formatNumber(entries)} of ${formatCount(tokens)} keys a query, the support holds ${formatPercent(round(found))} of the ` +
      `attention mass in the mean, and ${formatPercent(round(quantile(shares.support, 0)))} for the query that is ` +
      `covered least. As many of the largest entries would hold ${formatPercent(round(best))}, as many at random ` +
      `${formatPercent(round(random))}.${comparison}`
    );
  },

  table: ({ shares }: CoverageData) => ({
    columns: ["Queries", ...CHOICES.map((choice) => TEXTS[choice].label)],
    rows: [
      ["Mean", ...CHOICES.map((choice) => mean(shares[choice]))],
      ...QUANTILES.map((p) => [quantileName(p), ...CHOICES.map((choice) => quantile(shares[choice], p))]),
    ],
  }),
};

/** Points of the sorted shares: the place of each among all queries, 0 to 1. */
function thinned(sorted: readonly number[]): { place: number; share: number }[] {
  const count = Math.min(MOST_POINTS, sorted.length);
  return Array.from({ length: count }, (_, i) => {
    const place = count === 1 ? 0 : i / (count - 1);
    return { place, share: quantile(sorted, place) };
  });
}

function quantile(sorted: readonly number[], p: number): number {
  return sorted[Math.round(p * (sorted.length - 1))] ?? Number.NaN;
}

function quantileName(p: number): string {
  if (p === 0) return "Covered least";
  if (p === 1) return "Covered most";
  return p === 0.5 ? "Median" : `${formatPercent(p)} are covered less`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** To a tenth of a percent. */
function round(share: number): number {
  return Math.round(share * 1000) / 1000;
}
