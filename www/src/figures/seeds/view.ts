import * as Plot from "@observablehq/plot";
import { FEATURES_LABELS } from "../../lib/combinations.ts";
import { formatCount, formatNumber, formatTick } from "../../lib/format.ts";
import { pictureKey } from "../../lib/state.ts";
import { logTicks } from "../../lib/ticks.ts";
import { axisX, axisY, markedLine, plotDefaults, title } from "../chart.ts";
import { tooLarge } from "../dense.ts";
import type { Figure } from "../figure.ts";
import { median, powerLaw } from "../fit.ts";
import { type Entry, SEEDS, type SeedsData } from "./data.ts";
import { isUnbiased } from "./variance.ts";

const LINES = [
  { of: "row", label: "The row", colour: "var(--low-rank)", dash: "none", width: 2.25 },
  { of: "largest", label: "Its largest entry", colour: "var(--third)", dash: "none", width: 1.5 },
  { of: "middle", label: "Its middle entry", colour: "var(--soft)", dash: "none", width: 1.5 },
] as const;
const FORMULA = { label: "By the formula", colour: "var(--ink)", dash: "4 3" };

/** What the formula says beyond is off the chart. */
const MOST = 100;
/** A median of fewer groups than this is not fitted. */
const LEAST_GROUPS = 8;
/** Below this share of the formula the seeds have not met what makes the variance. */
const UNMET = 0.5;
/** As close as a mean is asked to come. */
const CLOSE = 0.1;

export const seedsFigure: Figure<"seeds"> = {
  id: "seeds",
  title: "The low-rank part over many seeds",
  about:
    "One row of the matrix, that of the cell cursor, estimated by the features alone with 1,024 seeds, before it is " +
    "normalised: only then are random features unbiased. Above, how far the mean over so many seeds " +
    "typically lies from the exact row; below, each entry’s variance beside the formula for independent directions, both " +
    "as shares of the exact entry’s square. The package’s are orthogonal in blocks, which is somewhat better. Some seconds.",
  key: (state) => JSON.stringify([pictureKey(state), state.cell?.query ?? null]),

  reason: (state) =>
    isUnbiased(state.features)
      ? tooLarge(state)
      : `“${FEATURES_LABELS[state.features]}” is biased: there is nothing exact for a mean over seeds to converge to. Choose ` +
        "FAVOR+ or optimal features to see it.",

  draw(data, width) {
    return {
      charts: [convergence(data, width), variances(data, width)],
      legend: [...LINES, FORMULA],
    };
  },

  finding({ convergence, entries, seeds, query, features }) {
    const enough = convergence.filter((group) => group.seeds * LEAST_GROUPS <= seeds);
    const law = powerLaw(enough.map((group) => ({ x: group.seeds, y: group.row })));
    if (!law || seeds < LEAST_GROUPS ** 2) return "";
    const ratio = median(entries.map(({ variance, predicted }) => variance / predicted));
    const alone = convergence[0]?.predicted ?? Number.NaN;
    const needed = Math.max(1, Math.ceil((alone / CLOSE) ** 2));
    const many = needed < 1e5 ? formatCount(needed) : formatNumber(needed, 2);
    return [
      `Query ${formatCount(query)}, ${formatCount(features)} features: the distance goes as the number of seeds to the ` +
        `${formatNumber(law.exponent, 2)}, where a mean of tame numbers has ${formatNumber(-0.5, 1)}.`,
      `Measured over the formula’s variance: ${formatNumber(ratio, 2)}, in the median over entries.`,
      ...(ratio < UNMET
        ? [
            "The rest is in rare and very large estimates, which so few seeds do not meet; at a higher temperature they do.",
          ]
        : []),
      `By the formula a mean of ${many} ${needed === 1 ? "seed" : "seeds"} is within a tenth of the row.`,
    ].join(" ");
  },

  table: ({ convergence }) => ({
    columns: ["Seeds", "Row", "Largest entry", "Middle entry", "Row, by the formula"],
    rows: convergence.map(({ seeds, row, largest, middle, predicted }) => [
      seeds,
      row,
      largest,
      middle,
      predicted,
    ]),
  }),
};

function convergence({ convergence: points }: SeedsData, width: number): Element {
  const distances = points.flatMap(({ row, largest, middle }) => [row, largest, middle]);
  const all = [...distances, ...points.map(({ predicted }) => predicted)].filter((x) => x > 0);
  const [low, high] = [Math.min(...all) / 1.3, Math.min(MOST, Math.max(...all) * 1.3)];
  const ticks = logTicks(low, high, 5);
  return Plot.plot({
    ...plotDefaults(width),
    height: 248,
    x: { type: "log", domain: [1, SEEDS], label: null, axis: null },
    y: { type: "log", domain: [low, high], label: null },
    marks: [
      Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
      axisY(ticks, formatTick),
      axisX([1, 4, 16, 64, 256, 1024], formatCount, "seeds that the mean is over"),
      title("distance of the mean from the exact numbers, as a share of them"),
      Plot.lineY(points, {
        x: "seeds",
        y: "predicted",
        stroke: FORMULA.colour,
        strokeDasharray: FORMULA.dash,
        strokeWidth: 1.25,
        clip: true,
      }),
      ...LINES.flatMap(({ of, ...stroke }) =>
        markedLine(
          points,
          (point) => point.seeds,
          (point) => Math.max(low, point[of]),
          stroke,
        ),
      ),
    ],
  });
}

function variances({ entries }: SeedsData, width: number): Element {
  const points = entries.filter(({ variance, predicted }) =>
    [variance, predicted].every((x) => x > 0 && Number.isFinite(x)),
  );
  const extent = (values: number[]): [number, number] => [
    Math.min(...values) / 1.5,
    Math.max(...values) * 1.5,
  ];
  const x =
    points.length > 0 ? extent(points.map(({ predicted }) => predicted)) : ([0.1, 10] as [number, number]);
  const y = points.length > 0 ? extent(points.map(({ variance }) => variance)) : x;
  const ticks = logTicks(...y, 6);
  const ends = [Math.min(x[0], y[0]), Math.max(x[1], y[1])];
  return Plot.plot({
    ...plotDefaults(width),
    height: 268,
    x: { type: "log", domain: x, label: null, axis: null },
    y: { type: "log", domain: [y[0], Math.max(y[1], x[0] * 2)], label: null },
    marks: [
      Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
      axisY(ticks, formatTick),
      axisX(logTicks(...x, 6), formatTick, "variance by the formula"),
      title("variance measured, one mark an entry"),
      Plot.dot(points, {
        x: "predicted",
        y: "variance",
        r: ({ exact }: Entry) => 1.5 + 6 * Math.sqrt(exact),
        fill: "var(--low-rank)",
        fillOpacity: 0.45,
      }),
      Plot.lineY(ends, {
        x: (end: number) => end,
        y: (end: number) => end,
        stroke: FORMULA.colour,
        strokeDasharray: FORMULA.dash,
        strokeWidth: 1.25,
        clip: true,
      }),
    ],
    r: { type: "identity" },
  });
}
