import * as Plot from "@observablehq/plot";
import { formatNumber, formatPercent, formatTick } from "../../lib/format.ts";
import { curveKey } from "../../lib/state.ts";
import { logTicks } from "../../lib/ticks.ts";
import { METHOD_TEXTS } from "../../views/summary.ts";
import { axisX, axisY, markedLine, plotDefaults, title } from "../chart.ts";
import { tooLarge } from "../dense.ts";
import type { Figure } from "../figure.ts";
import { type BudgetData, LINES, type Line } from "./data.ts";

const TEXTS: Record<Line, { label: string; colour: string; dash: string; width: number }> = {
  ...METHOD_TEXTS,
  clusters: { label: "Clusters and landmarks", colour: "var(--third)", dash: "none", width: 1.75 },
  "top-k": { label: "Largest entries", colour: "var(--sparse)", dash: "none", width: 1 },
  "top-k and features": {
    label: "Largest entries and features",
    colour: "var(--soft)",
    dash: "none",
    width: 1,
  },
  "best low rank": { label: "Best low rank", colour: "var(--low-rank)", dash: "2 2", width: 1 },
  "top-k and best low rank": {
    label: "Largest entries and best low rank of the rest",
    colour: "var(--both)",
    dash: "2 2",
    width: 1,
  },
};

/** An error above this says nothing but that it is large. */
const MOST = 10;

export const budgetFigure: Figure<"budget"> = {
  id: "budget",
  title: "Error against budget",
  about:
    "What more floats per query buy, for the parts chosen above, at the temperature chosen above. Thin lines are " +
    "oracles: they look at every entry to find the largest, which costs as much as exact attention, so they show " +
    "what another way of finding a support could come to. Best low rank is a truncated SVD of the matrix itself, one float " +
    "a term, and has its rows as they come, without a normaliser; beyond 128 terms it would take too long. The package’s " +
    "own choice, clusters with landmarks, is there to compare. Takes some 10 seconds for 1,000 tokens.",
  key: (state) => JSON.stringify([curveKey({ ...state, budget: 1 }), state.temperature]),

  reason: tooLarge,

  draw({ points }, width) {
    const lines = LINES.filter((line) => points.some(({ errors }) => errors[line] !== undefined));
    const values = points.flatMap(({ errors }) => Object.values(errors)).filter((error) => error > 0);
    const high = Math.min(MOST, Math.max(1, ...values));
    const low = Math.max(1e-4, Math.min(...values) / 1.5);
    const ticks = logTicks(low, high, 6);
    const chart = Plot.plot({
      ...plotDefaults(width),
      height: 280,
      x: { type: "log", domain: [0.01, 0.5], label: null, axis: null },
      y: { type: "log", domain: [low, high], label: null, clamp: true },
      marks: [
        Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
        axisY(ticks, formatTick),
        axisX([0.01, 0.02, 0.05, 0.1, 0.2, 0.5], formatPercent, "floats per query, as a share of the keys"),
        title("relative output error"),
        ...lines.flatMap((line) =>
          markedLine(
            points,
            ({ budget }) => budget,
            ({ errors }) => errors[line],
            TEXTS[line],
          ),
        ),
      ],
    });
    return { charts: [chart], legend: lines.map((line) => TEXTS[line]) };
  },

  finding({ points }) {
    const first = points[0];
    const last = points.at(-1);
    if (!first || !last || first === last) return "";
    const pair = (line: Line) =>
      `from ${formatNumber(first.errors[line] ?? Number.NaN)} to ${formatNumber(last.errors[line] ?? Number.NaN)}`;
    return (
      `From ${formatPercent(first.budget)} to ${formatPercent(last.budget)} of the keys the error of Scatterbrain goes ` +
      `${pair("scatterbrain")}; with the largest entries as the support, and nothing else, ${pair("top-k")}.`
    );
  },

  table: ({ points }: BudgetData) => ({
    columns: ["Budget", ...LINES.map((line) => TEXTS[line].label)],
    rows: points.map(({ budget, errors }) => [budget, ...LINES.map((line) => errors[line] ?? Number.NaN)]),
  }),
};
