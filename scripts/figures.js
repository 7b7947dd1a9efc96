// Usage: node scripts/figures.js: draws docs/figure-*.svg from data/theory.
import { writeFileSync } from "node:fs";
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { crossing, read } from "./theory-data.js";

const WIDTH = 800;
const INK = "#1f1e1c";
const SOFT = "#5f5b55";
const RULE = "#e4e0d9";
const METHODS = [
  { key: "sparse", label: "sparse", colour: "#b0450a" },
  { key: "low_rank", label: "low rank", colour: "#1b5fa6" },
  { key: "both", label: "both", colour: INK },
];
const COLOUR = { sparse: METHODS[0].colour, "low-rank": METHODS[1].colour, both: INK };

const { document } = parseHTML("<html><body></body></html>");

/** A chart with what all of them share. */
function chart(options) {
  return Plot.plot({
    document,
    width: WIDTH,
    marginLeft: 56,
    marginRight: 24,
    style: { fontFamily: "system-ui, sans-serif", fontSize: "12px", color: INK, background: "none" },
    ...options,
  });
}

/** Charts one below the other, on white so that they can be read on any page. */
function save(name, title, charts) {
  const height = charts.reduce((sum, svg) => sum + Number(svg.getAttribute("height")), 0);
  let y = 0;
  const parts = charts.map((svg) => {
    svg.setAttribute("y", String(y));
    y += Number(svg.getAttribute("height"));
    return svg.outerHTML;
  });
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  const text = `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${title}">
<rect width="100%" height="100%" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
  writeFileSync(new URL(`../docs/${name}.svg`, import.meta.url), text);
}

function label(text, x, y, colour, options = {}) {
  return Plot.text([[x, y]], { text: [text], fill: colour, stroke: "white", strokeWidth: 4, ...options });
}

function axisTitle(text) {
  return { label: text, labelAnchor: "center", labelArrow: "none" };
}

const shares = [
  [1, "n²"],
  [0.1, "n²/10"],
  [0.01, "n²/100"],
  [0.001, "n²/1,000"],
  [0.0001, "n²/10,000"],
];

function regimes() {
  const rows = read("regimes");
  const wide = rows.filter((row) => row.dim === 256);
  const longest = Math.max(...wide.map((row) => row.tokens));
  const x = { type: "log", domain: [0.05, 5], ticks: [0.05, 0.1, 0.2, 0.5, 1, 2, 5], tickFormat: String };
  // The sum lies under its parts, and wider: where it has only one, both can be seen.
  const line = ({ key, colour }) =>
    Plot.line(wide, {
      x: "beta_over_ln_n",
      y: (row) => row[key] / row.tokens ** 2,
      z: "tokens",
      stroke: colour,
      strokeWidth: (row) => (row.tokens === longest ? 2 : 0.8) * (key === "both" ? 2.5 : 1),
      strokeOpacity: (row) => (row.tokens === longest ? 1 : 0.6) * (key === "both" ? 0.7 : 1),
    });
  const meeting = crossing(wide.filter((row) => row.tokens === longest));
  const curves = chart({
    height: 350,
    marginTop: 34,
    marginBottom: 6,
    marginLeft: 116,
    x: { ...x, axis: null },
    y: { type: "log", domain: [1e-5, 3], label: null },
    marks: [
      Plot.gridY(
        shares.map(([share]) => share),
        { stroke: RULE, strokeOpacity: 1 },
      ),
      Plot.axisY(
        shares.map(([share]) => share),
        { tickSize: 0, tickFormat: (share) => new Map(shares).get(share), fill: SOFT },
      ),
      Plot.text(["parameters for a relative error of 10 %; bold: n = 2,048, thin: 1,024, 512, 256"], {
        frameAnchor: "top-left",
        dx: -116 + 10,
        dy: -26,
        fill: SOFT,
      }),
      Plot.ruleX([meeting], { stroke: SOFT, strokeDasharray: "2 3" }),
      label(`β = ${meeting.toFixed(2)} ln n`, meeting, 0.00004, SOFT),
      ...[...METHODS].reverse().map(line),
      label("sparse", 0.07, 0.72, COLOUR.sparse),
      label("low rank", 1.3, 1.15, COLOUR["low-rank"]),
      label("both", 0.47, 0.0033, INK, { dx: -2 }),
      label("= low rank", 0.066, 0.00066, COLOUR["low-rank"]),
      label("= sparse", 1.9, 0.00025, COLOUR.sparse, { dx: -38 }),
    ],
  });
  const name = (row) => `n = ${row.tokens.toLocaleString("en")}${row.dim === 256 ? "" : `, d = ${row.dim}`}`;
  const strips = chart({
    height: 236,
    marginTop: 30,
    marginBottom: 44,
    marginLeft: 116,
    x: { ...x, ...axisTitle("β / ln n") },
    y: { domain: [...new Set(rows.map(name))], label: null, tickSize: 0, padding: 0.3 },
    marks: [
      Plot.text(
        [
          "above: who needs the fewest (blue low rank, black both, orange sparse); below: who should, by the model",
        ],
        {
          frameAnchor: "top-left",
          dx: -116 + 10,
          dy: -20,
          fill: SOFT,
        },
      ),
      Plot.barX(runs(rows, "winner"), { x1: "from", x2: "to", y: name, fill: "colour", insetBottom: 8 }),
      Plot.barX(runs(rows, "predicted"), {
        x1: "from",
        x2: "to",
        y: name,
        fill: "colour",
        fillOpacity: 0.55,
        insetTop: 16,
      }),
    ],
  });
  save(
    "figure-regimes",
    "Parameters that a sparse matrix, a low-rank matrix and their sum need, against inverse temperature over the logarithm of the length",
    [curves, strips],
  );
}

/** Runs of neighbouring rows that say the same, half a step beyond their ends. */
function runs(rows, key) {
  const half = 10 ** 0.05;
  const bars = [];
  for (const row of rows) {
    const { tokens, dim, beta_over_ln_n: at } = row;
    const [from, to] = [Math.max(0.05, at / half), Math.min(5, at * half)];
    const last = bars.at(-1);
    if (last?.tokens === tokens && last.dim === dim && last.value === row[key]) last.to = to;
    else bars.push({ tokens, dim, from, to, value: row[key], colour: COLOUR[row[key]] });
  }
  return bars;
}

const FAMILIES = [
  ["paper", "paper: SMYRF or window, FAVOR+"],
  ["default", "default: clusters, landmarks"],
  ["oracle", "oracle: top-k, truncated SVD"],
];

/** The rows of each head. */
function byHead(rows) {
  return [...new Set(rows.map(({ head }) => head))].map((name) => rows.filter(({ head }) => head === name));
}

/** Median and quartiles over heads at one entropy, each head's curve being straight in the logarithm of the error. */
function spread(rows, key, grid) {
  const curves = byHead(rows).map((curve) =>
    curve
      .map((row) => [row.normalised_entropy, Math.log(Math.max(row[key], 1e-4))])
      .sort(([a], [b]) => a - b),
  );
  return grid.map((x) => {
    const logs = curves.map((curve) => interpolate(curve, x)).sort((a, b) => a - b);
    const quantile = (share) => Math.exp(logs[Math.round(share * (logs.length - 1))]);
    return { x, low: quantile(0.25), middle: quantile(0.5), high: quantile(0.75) };
  });
}

function interpolate(curve, x) {
  const after = Math.max(
    1,
    curve.findIndex(([entropy]) => entropy >= x),
  );
  const [[x0, y0], [x1, y1]] = [curve[after - 1], curve[after]];
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}

function entropy() {
  const rows = read("entropy");
  const ends = byHead(rows).map((head) => head.map((row) => row.normalised_entropy));
  const from = Math.max(...ends.map((values) => Math.min(...values)));
  const to = Math.min(...ends.map((values) => Math.max(...values)));
  const grid = Array.from({ length: 79 }, (_, i) => from + ((to - from) * i) / 78);
  const panel = (prefix, title, last) => {
    const data = FAMILIES.flatMap(([family, fx]) =>
      METHODS.flatMap((method) =>
        spread(
          rows.filter((row) => row.family === family),
          `${prefix}${method.key}`,
          grid,
        ).map((point) => ({ ...point, fx, ...method })),
      ),
    );
    const [low, high] = [0.001, 10];
    const within = (value) => Math.min(high, Math.max(low, value));
    const ticks = [0.001, 0.01, 0.1, 1, 10];
    return chart({
      height: last ? 250 : 248,
      marginTop: last ? 28 : 46,
      marginBottom: last ? 44 : 26,
      x: {
        domain: [0.15, 1],
        ticks: [0.2, 0.4, 0.6, 0.8, 1],
        ...axisTitle(last ? "entropy / its maximum" : null),
      },
      y: { type: "log", domain: [low, high], label: null },
      fx: { domain: FAMILIES.map(([, name]) => name), label: null, axis: last ? null : "top", padding: 0.06 },
      marks: [
        Plot.gridY(ticks, { stroke: RULE, strokeOpacity: 1 }),
        Plot.axisY(ticks, { tickSize: 0, tickFormat: String, fill: SOFT }),
        Plot.text([{ fx: FAMILIES[0][1] }], {
          fx: "fx",
          text: [title],
          frameAnchor: "bottom-left",
          dx: 8,
          dy: -8,
          fill: SOFT,
        }),
        Plot.areaY(data, {
          x: "x",
          y1: (point) => within(point.low),
          y2: (point) => within(point.high),
          fx: "fx",
          z: "key",
          fill: "colour",
          fillOpacity: 0.13,
        }),
        Plot.line(data, {
          x: "x",
          y: (point) => within(point.middle),
          fx: "fx",
          z: "key",
          stroke: "colour",
          strokeWidth: 2,
        }),
        Plot.text(last ? [] : LABELS, {
          x: "x",
          y: "y",
          fx: ({ family }) => FAMILIES.find(([name]) => name === family)[1],
          text: ({ method }) => METHODS.find(({ key }) => key === method).label,
          fill: ({ method }) => METHODS.find(({ key }) => key === method).colour,
          stroke: "white",
          strokeWidth: 4,
        }),
      ],
    });
  };
  save(
    "figure-entropy",
    "Error of sparse, low rank and both at the same budget, against entropy, over eleven heads of trained models",
    [panel("", "error of the matrix", false), panel("output_", "error of the output", true)],
  );
}

/** Where the curves of the upper panels have room for their names. */
const LABELS = [
  { family: "paper", method: "sparse", x: 0.8, y: 0.5 },
  { family: "paper", method: "low_rank", x: 0.5, y: 0.7 },
  { family: "paper", method: "both", x: 0.6, y: 3 },
  { family: "default", method: "sparse", x: 0.8, y: 2 },
  { family: "default", method: "low_rank", x: 0.35, y: 1.4 },
  { family: "default", method: "both", x: 0.6, y: 0.04 },
  { family: "oracle", method: "sparse", x: 0.9, y: 1 },
  { family: "oracle", method: "low_rank", x: 0.3, y: 0.1 },
  { family: "oracle", method: "both", x: 0.8, y: 0.01 },
];

function variance() {
  const rows = read("variance");
  const collisions = read("collisions");
  const ratios = chart({
    height: 300,
    marginTop: 34,
    marginBottom: 44,
    x: { domain: [0, 1.45], ...axisTitle("distance t of query and key") },
    y: { domain: [0, 1], label: null, tickSize: 0 },
    marks: [
      Plot.gridY({ stroke: RULE, strokeOpacity: 1 }),
      Plot.text(["mean squared error of both over that of features alone; lines: 1 − p, measured apart"], {
        frameAnchor: "top-left",
        dx: -46,
        dy: -26,
        fill: SOFT,
      }),
      Plot.line(
        collisions.filter(({ d }) => d <= 64),
        { x: "t", y: ({ p }) => 1 - p, z: "d", stroke: ({ d }) => SERIES[d] },
      ),
      Plot.ruleX(rows, {
        x: "t",
        y1: ({ ratio, ratio_error }) => ratio - 2 * ratio_error,
        y2: ({ ratio, ratio_error }) => Math.min(1, ratio + 2 * ratio_error),
        stroke: ({ d }) => SERIES[d],
      }),
      Plot.dot(rows, { x: "t", y: "ratio", fill: ({ d }) => SERIES[d], r: 3 }),
      label("d = 64", 0.42, 0.6, SERIES[64]),
      label("d = 16", 0.62, 0.5, SERIES[16]),
    ],
  });
  save("figure-variance", "Share of the variance that a hashed support leaves, against distance", [ratios]);
}

const SERIES = { 16: "#b0450a", 64: "#1b5fa6" };

regimes();
entropy();
variance();
