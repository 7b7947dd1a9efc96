import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber, formatPercent, formatTick } from "../../lib/format.ts";
import { signedScale } from "../../lib/scale.ts";
import { pictureKey, tokensOf } from "../../lib/state.ts";
import { logTicks } from "../../lib/ticks.ts";
import { axisX, axisY, indexTicks, plotDefaults, title } from "../chart.ts";
import type { Figure } from "../figure.ts";
import { MOST_TOKENS, type RobustPcaData, SHARE } from "./data.ts";
import { smallMaps } from "./maps.ts";

/** A singular value below this share of the largest moves nothing. */
const LEAST = 1e-6;

export const robustPcaFigure: Figure<"robust-pca"> = {
  id: "robust-pca",
  title: "Robust PCA",
  about:
    "Where the paper starts (its section 3): attention = low rank + sparse, found by an algorithm that knows no hashing, " +
    "no features and no budget. Principal component pursuit looks for the two parts with the least sum of singular values " +
    "and of magnitudes, and may take any entry for the sparse one. Beside it Scatterbrain’s own two parts, as above. " +
    "Takes half a minute for 1,000 tokens.",
  key: pictureKey,

  reason(state) {
    const tokens = tokensOf(state);
    if (tokens <= MOST_TOKENS) return null;
    return (
      `Robust PCA of ${formatCount(tokens)} tokens takes too long here: up to 10 seconds a step, and dozens of steps. ` +
      `Choose a head of at most ${formatCount(MOST_TOKENS)} tokens.`
    );
  },

  draw({ own, robust, top }, width, theme) {
    const scale = signedScale("log", top);
    const maps = [
      { title: "Scatterbrain, low rank", grid: own.lowRank },
      { title: "Scatterbrain, sparse", grid: own.sparse },
    ];
    if (robust) {
      maps.push(
        { title: "Robust PCA, low rank", grid: robust.lowRank },
        { title: "Robust PCA, sparse", grid: robust.sparse },
      );
    }
    const charts: Element[] = [smallMaps(maps, scale, theme, width)];
    if (robust && robust.rank > 1) charts.push(singularValues(robust.singularValues, width));
    return { charts, legend: [] };
  },

  finding({ tokens, own, robust }) {
    if (!robust) return "";
    const share = (count: number) => formatPercent(Number((count / tokens ** 2).toPrecision(2)));
    const stopped = robust.converged ? "" : " (it had not converged)";
    const nearly = formatPercent(SHARE);
    return (
      `In ${robust.iterations} iterations${stopped} robust PCA splits the matrix into one of rank ${robust.rank} and one ` +
      `with ${share(robust.nonzeros)} of its entries not 0; what is missing is ${formatNumber(robust.residual, 2)} of the ` +
      `norm. Much of both is very small: ${nearly} of the squared norm of the first are in ${robust.terms} singular ` +
      `values, ${nearly} of the sum of magnitudes of the second in ${share(robust.largest)} of the entries. ` +
      `Scatterbrain, with ${formatCount(own.features)} features and ${share(own.nonzeros)} of the entries exact, misses ` +
      `${formatNumber(own.residual, 2)} of the norm.`
    );
  },

  table: ({ tokens, own, robust }) => ({
    columns: ["", "Scatterbrain", "Robust PCA"],
    rows: [
      ["Rank of the low-rank part; features", own.features, robust?.rank ?? Number.NaN],
      ["Entries of the sparse part that are not 0", own.nonzeros, robust?.nonzeros ?? Number.NaN],
      [
        "As a share of all entries",
        own.nonzeros / tokens ** 2,
        (robust?.nonzeros ?? Number.NaN) / tokens ** 2,
      ],
      [
        `The fewest with ${formatPercent(SHARE)} of the magnitudes`,
        own.largest,
        robust?.largest ?? Number.NaN,
      ],
      [
        `Singular values with ${formatPercent(SHARE)} of the squares`,
        Number.NaN,
        robust?.terms ?? Number.NaN,
      ],
      ["Residual, relative to the matrix", own.residual, robust?.residual ?? Number.NaN],
      ["Iterations", Number.NaN, robust?.iterations ?? Number.NaN],
      ...(robust?.singularValues ?? []).map((value, i) => [`Singular value ${i + 1}`, Number.NaN, value]),
    ],
  }),

  numbers: ({ tokens, causal, own, robust }) => ({
    tokens,
    causal,
    scatterbrain: withoutMaps(own),
    robustPca: robust && withoutMaps(robust),
  }),
};

function singularValues(values: readonly number[], width: number): Element {
  const largest = values[0] as number;
  const points = values
    .map((value, i) => ({ index: i + 1, value: value / largest }))
    .filter(({ value }) => value >= LEAST);
  const last = Math.max(2, points.length);
  const low = Math.min(0.1, points.at(-1)?.value ?? 1) / 1.5;
  const ticks = logTicks(low, 1, 5);
  return Plot.plot({
    ...plotDefaults(width),
    height: 220,
    x: { type: "linear", domain: [1, last], label: null, axis: null },
    y: { type: "log", domain: [low, 1.2], label: null },
    marks: [
      Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
      axisY(ticks, formatTick),
      axisX(indexTicks(last), String, "number of the singular value, from the largest"),
      title("singular value of robust PCA’s low-rank part, relative to the largest"),
      Plot.lineY(points, { x: "index", y: "value", stroke: "var(--low-rank)", strokeWidth: 2 }),
    ],
  });
}

function withoutMaps<T extends RobustPcaData["own"] | NonNullable<RobustPcaData["robust"]>>(parts: T) {
  const { lowRank, sparse, ...numbers } = parts;
  return numbers;
}
