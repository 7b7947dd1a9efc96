import * as Plot from "@observablehq/plot";
import { formatCount, formatNumber, formatPercent, formatTick } from "../../lib/format.ts";
import { pictureKey } from "../../lib/state.ts";
import { logTicks } from "../../lib/ticks.ts";
import { axisX, axisY, indexTicks, plotDefaults, title } from "../chart.ts";
import { tooLarge } from "../dense.ts";
import type { Figure } from "../figure.ts";
import { COUNT, MATRICES, type MatrixName, SHARES, type Spectrum, type SpectrumData } from "./data.ts";

const TEXTS: Record<MatrixName, { label: string; colour: string; dash: string; width: number }> = {
  exact: { label: "Exact matrix", colour: "var(--both)", dash: "none", width: 2.25 },
  "low-rank": { label: "Low-rank part", colour: "var(--low-rank)", dash: "none", width: 2 },
  residual: { label: "Exact − low rank", colour: "var(--third)", dash: "5 3", width: 1.75 },
};

/** Entries are 32-bit floats: what lies below this share of the largest singular value is their rounding. */
const LEAST = 1e-9;
/** A low-rank part may be far too large; beyond this it would press all else together. */
const MOST = 1e3;

export const spectrumFigure: Figure<"spectrum"> = {
  id: "spectrum",
  title: "Singular values",
  about:
    `How fast the ${COUNT} largest singular values fall: of the exact attention matrix, of the low-rank part, and of ` +
    "what the low-rank part leaves to the sparse one. A matrix whose values fall fast is nearly of low rank. All are " +
    "relative to the largest value of the exact matrix. By a randomised SVD: some seconds for 1,000 tokens, a minute " +
    "for 4,000.",
  key: pictureKey,

  reason: tooLarge,

  draw(data, width) {
    const points = data.spectra.flatMap(({ matrix }) =>
      relative(data, matrix).map((value, i) => ({
        matrix,
        index: i + 1,
        value: value > 0 ? value : Number.NaN,
      })),
    );
    const values = points.map(({ value }) => value).filter((value) => value > 0);
    const high = Math.min(MOST, Math.max(1, ...values)) * 1.3;
    const low = Math.max(LEAST, Math.min(0.1, ...values) / 1.5);
    const last = Math.max(2, ...points.map(({ index }) => index));
    const ticks = logTicks(low, high, 6);
    const marked = data.unbounded === null && data.features < last ? [data.features] : [];
    const chart = Plot.plot({
      ...plotDefaults(width),
      height: 280,
      x: { type: "linear", domain: [1, last], label: null, axis: null },
      y: { type: "log", domain: [low, high], label: null, clamp: true },
      marks: [
        Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
        axisY(ticks, formatTick),
        axisX(indexTicks(last), String, "number of the singular value, from the largest"),
        title("singular value"),
        Plot.ruleX(marked, { stroke: "var(--edge)", strokeDasharray: "2 3" }),
        Plot.text(marked, {
          x: (features: number) => features,
          frameAnchor: "top",
          dx: 6,
          dy: 6,
          textAnchor: "start",
          text: (features: number) => `${formatCount(features)} features`,
          fill: "var(--soft)",
          stroke: "var(--page)",
          strokeWidth: 4,
        }),
        ...data.spectra.map(({ matrix }) => {
          const { colour, dash, width } = TEXTS[matrix];
          return Plot.lineY(
            points.filter((point) => point.matrix === matrix),
            { x: "index", y: "value", stroke: colour, strokeWidth: width, strokeDasharray: dash },
          );
        }),
      ],
    });
    return { charts: [chart], legend: data.spectra.map(({ matrix }) => TEXTS[matrix]) };
  },

  finding(data) {
    const { spectra, features, unbounded } = data;
    if (spectra.length < MATRICES.length) return "";
    const parts = spectra.map(
      (spectrum) => `${TEXTS[spectrum.matrix].label.toLowerCase()} ${termsText(spectrum)}`,
    );
    const [half, most, nearlyAll] = SHARES.map(formatPercent);
    return (
      `Singular values that make up ${half}, ${most} and ${nearlyAll} of the squared norm: ${parts.join("; ")}. ` +
      rankText(features, unbounded) +
      sizeText(relative(data, "low-rank")[0] ?? 0)
    );
  },

  table: (data) => ({
    columns: ["Number", ...MATRICES.map((matrix) => TEXTS[matrix].label)],
    rows: (data.spectra[0]?.values ?? []).map((_, i) => [
      String(i + 1),
      ...MATRICES.map((matrix) => relative(data, matrix)[i] ?? Number.NaN),
    ]),
  }),
};

/** In units of the exact matrix's largest singular value, which is at least 1: its rows sum to 1. */
function relative({ spectra }: SpectrumData, matrix: MatrixName): number[] {
  const largest = spectra.find((spectrum) => spectrum.matrix === "exact")?.values[0] ?? 1;
  return (spectra.find((spectrum) => spectrum.matrix === matrix)?.values ?? []).map(
    (value) => value / largest,
  );
}

/** "1, 6 and 31". */
function termsText({ values, terms }: Spectrum): string {
  const [half, most, nearlyAll] = terms.map((count) => count ?? `more than ${values.length}`);
  return `${half}, ${most} and ${nearlyAll}`;
}

function rankText(features: number, unbounded: SpectrumData["unbounded"]): string {
  if (unbounded === "causal") {
    return "The future is cut out of the low-rank part of a causal head, so its features do not bound its rank.";
  }
  if (unbounded === "landmarks") {
    return "Landmarks differ from query to query, so their number does not bound the rank of the low-rank part.";
  }
  const count = formatCount(features);
  return `${count} features give the low-rank part a rank of at most ${count}: what comes after them is rounding.`;
}

function sizeText(largest: number): string {
  if (largest <= MOST) return "";
  return (
    ` The low-rank part is ${formatNumber(largest, 2)} times as large as the matrix, and drawn at the edge: on its ` +
    "support the sparse part takes it back."
  );
}
