import * as Plot from "@observablehq/plot";
import { FEATURES_LABELS, SUPPORT_LABELS } from "../../lib/combinations.ts";
import { formatPercent, formatTick } from "../../lib/format.ts";
import { OWN_ID } from "../../lib/own.ts";
import { isPreset, presetById } from "../../lib/presets.ts";
import { METHODS, type MethodName } from "../../lib/request.ts";
import { curveKey } from "../../lib/state.ts";
import { logTicks } from "../../lib/ticks.ts";
import { REGIMES } from "../../views/curve.ts";
import { METHOD_TEXTS } from "../../views/summary.ts";
import { axisX, axisY, plotDefaults, title } from "../chart.ts";
import type { Figure } from "../figure.ts";
import { type Band, bandsOf, crossings, wins } from "./bands.ts";
import type { HeadPoint, HeadsData } from "./data.ts";

/** An error above this says nothing but that it is large. */
const MOST = 10;

const KINDS = [
  { symbol: "circle", label: "Image head", groups: ["Image"] },
  { symbol: "triangle", label: "Text head", groups: ["Text, causal"] },
  { symbol: "diamond", label: "Other head", groups: ["Synthetic", OWN_ID] },
] as const;

const groupOf = ({ head }: HeadPoint): string => (isPreset(head) ? presetById(head).group : OWN_ID);

function labelOf({ head }: HeadPoint): string {
  return isPreset(head) ? presetById(head).label : "Your head";
}

/** A mark for each point and method: faint, or those of the chosen head. */
function dots(points: readonly HeadPoint[], chosen: boolean, clamped: (error: number) => number) {
  return METHODS.flatMap((method) =>
    KINDS.map(({ symbol, groups }) =>
      Plot.dot(
        points.filter((point) => point.chosen === chosen && groups.some((name) => name === groupOf(point))),
        {
          x: "entropy",
          y: ({ errors }: HeadPoint) => clamped(errors[method]),
          symbol,
          r: chosen ? 4.5 : 2.75,
          fill: METHOD_TEXTS[method].colour,
          fillOpacity: chosen ? 1 : 0.4,
          stroke: chosen ? "var(--page)" : "none",
          strokeWidth: 1,
        },
      ),
    ),
  );
}

export const headsFigure: Figure<"heads"> = {
  id: "heads",
  title: "Error against entropy, all heads",
  about:
    "Figure 1 of the paper: every captured head at seven temperatures, from a fifth of its own to five times that, with " +
    "the parts and the budget chosen above. Lines are medians of the points around them, and shaded is which of them " +
    "is lowest. Large marks are the head chosen above. About ten seconds.",
  key: (state) => curveKey(state),

  draw({ points }, width) {
    const errors = points.flatMap((point) => Object.values(point.errors)).filter((error) => error > 0);
    const high = Math.min(MOST, Math.max(1, ...errors) * 1.1);
    const low = Math.max(1e-5, Math.min(...errors) / 1.6);
    const clamped = (error: number) => Math.min(high, Math.max(low, error));
    const bands = bandsOf(points);
    const ticks = logTicks(low, high, 6);
    const line = (method: MethodName) => {
      const { colour, dash, width } = METHOD_TEXTS[method];
      return Plot.lineY(bands, {
        x: "entropy",
        y: ({ errors }: Band) => clamped(errors[method]),
        stroke: colour,
        strokeWidth: width,
        strokeDasharray: dash,
        curve: "monotone-x",
      });
    };
    const chart = Plot.plot({
      ...plotDefaults(width),
      height: 320,
      x: { domain: [0, 1], label: null, axis: null },
      y: { type: "log", domain: [low, high], label: null },
      marks: [
        Plot.rectX(bands, { x1: "from", x2: "to", fill: ({ best }: Band) => REGIMES[best].fill }),
        Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
        axisY(ticks, formatTick),
        axisX(
          [0, 0.25, 0.5, 0.75, 1],
          formatPercent,
          "entropy of the rows, as a share of the most it can be",
        ),
        title("relative output error"),
        ...dots(points, false, clamped),
        ...METHODS.map(line),
        ...dots(points, true, clamped),
      ],
    });
    const shown = KINDS.filter(({ groups }) =>
      points.some((point) => groups.some((name) => name === groupOf(point))),
    );
    return {
      charts: [chart],
      legend: [
        ...METHODS.map((method) => METHOD_TEXTS[method]),
        ...shown.map(({ symbol, label }) => ({ symbol, label, colour: "var(--soft)" })),
      ],
    };
  },

  finding({ points, replacements }) {
    const places = crossings(bandsOf(points)).map((entropy) => formatPercent(Number(entropy.toFixed(2))));
    const cross =
      places.length > 0
        ? `The lines of sparse and low rank cross at ${places.join(" and ")} of the most entropy there can be.`
        : "The lines of sparse and low rank do not cross.";
    const best =
      `Best by 1 %, of ${points.length} points: the sum ${wins(points, "scatterbrain")}, sparse alone ` +
      `${wins(points, "sparse")}, low rank alone ${wins(points, "low-rank")}.`;
    return [cross, best, ...replacements.map(words)].join(" ");
  },

  table: ({ points }: HeadsData) => ({
    columns: [
      "Head",
      "Temperature",
      "Entropy, share",
      ...METHODS.map((method) => METHOD_TEXTS[method].label),
    ],
    rows: [...points]
      .sort((a, b) => a.entropy - b.entropy)
      .map((point) => [
        labelOf(point),
        point.temperature,
        point.entropy,
        ...METHODS.map((method) => point.errors[method]),
      ]),
  }),
};

function words({ what, from, to, reason }: HeadsData["replacements"][number]): string {
  const labels: Record<string, string> = what === "support" ? SUPPORT_LABELS : FEATURES_LABELS;
  return `Causal heads have ${labels[to]} in place of ${labels[from]}, which ${reason}.`;
}
