import * as Plot from "@observablehq/plot";
import { formatBytes, formatCount, formatNumber, formatTick } from "../../lib/format.ts";
import { headShape } from "../../lib/state.ts";
import { METHOD_TEXTS } from "../../views/summary.ts";
import { axisX, axisY, markedLine, plotDefaults, title } from "../chart.ts";
import type { Figure } from "../figure.ts";
import type { Place } from "../fit.ts";
import { LINES, type Line, matrixBytes, type ScalingPoint, SIZES } from "./data.ts";
import { crossing, exponent, extrapolated, measured, type Quantity } from "./laws.ts";

const TEXTS: Record<Line, { label: string; colour: string; dash: string; width: number }> = {
  exact: { label: "Exact", colour: "var(--third)", dash: "none", width: 1.75 },
  ...METHOD_TEXTS,
  fixed: { label: "Scatterbrain, fixed floats", colour: "var(--soft)", dash: "none", width: 1.25 },
};
const REST = { label: "Exact, not measured: n²", colour: "var(--third)", dash: "2 4" };
const MATRIX = { label: "The whole matrix", colour: "var(--edge)", dash: "8 3" };

const [LEAST, MOST] = [SIZES[0], SIZES[SIZES.length - 1] as number];

function chart(width: number, points: readonly ScalingPoint[], quantity: Quantity, others: Other[]) {
  const lines = LINES.map((line) => ({ ...TEXTS[line], places: measured(points, line, quantity) }));
  const all = [...lines, ...others].flatMap(({ places }) => places.map(({ y }) => y));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const bytes = quantity === "bytes";
  const ticks = powers(bytes ? 2 ** 10 : 1e-3, bytes ? 4 : 10, low, high);
  const last = quantity === "bytes";
  return Plot.plot({
    ...plotDefaults(width),
    height: last ? 250 : 232,
    marginBottom: last ? 36 : 18,
    x: { type: "log", domain: [LEAST, MOST], label: null, axis: null },
    y: { type: "log", domain: [low / 1.3, high * 1.3], label: null },
    marks: [
      Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
      axisY(ticks, bytes ? formatBytes : timeTick),
      axisX(SIZES, last ? formatCount : () => "", last ? "tokens" : ""),
      title(bytes ? "most memory held at once, with inputs and output" : "time of a call"),
      ...others.map(({ places, colour, dash }) =>
        Plot.lineY(places, { x: "x", y: "y", stroke: colour, strokeWidth: 1.5, strokeDasharray: dash }),
      ),
      ...lines.flatMap(({ places, ...stroke }) =>
        markedLine(
          places,
          ({ x }) => x,
          ({ y }) => y,
          stroke,
        ),
      ),
    ],
  });
}

function timeTick(milliseconds: number): string {
  return milliseconds < 1000
    ? `${formatTick(milliseconds)}\u00a0ms`
    : `${formatTick(milliseconds / 1000)}\u00a0s`;
}

interface Other {
  places: Place[];
  colour: string;
  dash: string;
}

/** Every so many powers of `base`, from a unit on, at most about six. */
function powers(unit: number, base: number, low: number, high: number): number[] {
  const exponents = [low, high].map((value) => Math.log(value / unit) / Math.log(base));
  const [first, last] = [Math.ceil(exponents[0] as number), Math.floor(exponents[1] as number)];
  const stride = Math.max(1, Math.ceil((last - first + 1) / 6));
  const values: number[] = [];
  for (let e = last; e >= first; e -= stride) values.push(unit * base ** e);
  return values.reverse();
}

export const scalingFigure: Figure<"scaling"> = {
  id: "scaling",
  title: "Time and memory against length",
  about:
    "Measured now, in this tab: clustered tokens of the shape of the head above, with the parts and the budget chosen " +
    "above. A budget that is a share of the keys grows with them, so all lines but one are steep: the last has as many " +
    "floats at every length as the budget gives at 1,024. Calls that would take more than two seconds are not made. " +
    "Some seconds.",
  key: (state) => {
    const { budget, split, support, features } = state;
    const { dim, causal } = headShape(state);
    return JSON.stringify([budget, split, support, features, dim, causal]);
  },

  draw({ points }, width) {
    const rest = { ...REST, places: extrapolated(points) };
    const matrix = { ...MATRIX, places: points.map(({ tokens: x }) => ({ x, y: matrixBytes(x) })) };
    return {
      charts: [chart(width, points, "milliseconds", [rest]), chart(width, points, "bytes", [matrix])],
      legend: [...LINES.map((line) => TEXTS[line]), ...(rest.places.length > 0 ? [REST] : []), MATRIX],
    };
  },

  finding({ points }) {
    const growth = (line: Line, quantity: Quantity) => formatNumber(exponent(points, line, quantity) ?? 0, 2);
    if (exponent(points, "fixed", "milliseconds") === undefined) return "";
    const exact = [...measured(points, "exact", "milliseconds"), ...extrapolated(points).slice(1)];
    const ours = measured(points, "scatterbrain", "milliseconds");
    const from = crossing(ours, exact);
    const most = ours.at(-1);
    const exactMost = exact.find(({ x }) => x === most?.x);
    const guessed = extrapolated(points).some(({ x }, i) => i > 0 && x === most?.x);
    const parts = [
      `Time grows as n to the ${growth("exact", "milliseconds")} for exact attention, ` +
        `${growth("scatterbrain", "milliseconds")} for Scatterbrain and ${growth("fixed", "milliseconds")} with fixed ` +
        `floats; memory to the ${growth("exact", "bytes")}, ${growth("scatterbrain", "bytes")} and ` +
        `${growth("fixed", "bytes")}.`,
      from === null
        ? "Scatterbrain is not faster than exact attention at these lengths."
        : `Scatterbrain is faster from ${from <= LEAST ? "the shortest" : `about ${formatCount(roughly(from))} tokens`} on.`,
    ];
    if (most && exactMost) {
      const gain = exactMost.y / most.y;
      const words =
        gain >= 1 ? `${formatNumber(gain, 2)} times as fast` : `${formatNumber(1 / gain, 2)} times as slow`;
      const how = guessed ? ", if the exact call, which was not made, follows its line" : "";
      parts.push(`At ${formatCount(most.x)} it is ${words}${how}.`);
    }
    return parts.join(" ");
  },

  table: ({ points }) => ({
    columns: [
      "Tokens",
      ...LINES.map((line) => `${TEXTS[line].label}, ms`),
      ...LINES.map((line) => `${TEXTS[line].label}, bytes`),
    ],
    rows: points.map(({ tokens, costs }) => [
      tokens,
      ...LINES.map((line) => costs[line]?.milliseconds ?? Number.NaN),
      ...LINES.map((line) => costs[line]?.bytes ?? Number.NaN),
    ]),
  }),
};

/** Two digits: a crossing is read off between two lengths. */
function roughly(tokens: number): number {
  return Number(tokens.toPrecision(2));
}
