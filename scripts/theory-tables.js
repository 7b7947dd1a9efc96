// Usage: node scripts/theory-tables.js: the tables of docs/theory.md, from data/theory.
import { crossing, read } from "./theory-data.js";

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  console.log([line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line), ""].join("\n"));
}

/** Two significant digits. */
function short(x) {
  return x < 1e-3 ? x.toExponential(0) : x.toPrecision(2);
}

function regimes() {
  const rows = read("regimes");
  const models = rows.filter((row, i) => row.tokens !== rows[i - 1]?.tokens || row.dim !== rows[i - 1]?.dim);
  const head = ["n", "dimension", "clusters", "both alone cost the same at β / ln n", "that is β"];
  head.push(
    "both wins, β / ln n",
    "how many times fewer, from 0.15 up",
    "share of n² at 0.5: sparse, low rank, both",
  );
  table(
    head,
    models.map(({ tokens, dim, clusters }) => {
      const own = rows.filter((row) => row.tokens === tokens && row.dim === dim);
      const band = own.filter(({ winner }) => winner === "both");
      const gains = band
        .filter((row) => row.beta_over_ln_n > 0.15)
        .map((row) => Math.min(row.sparse, row.low_rank) / row.both);
      const [from, to] = [band[0], band.at(-1)].map((row) => row.beta_over_ln_n.toFixed(2));
      const half = own.find((row) => Math.abs(row.beta_over_ln_n - 0.5) < 0.01);
      const shares = [half.sparse, half.low_rank, half.both].map((count) => short(count / tokens ** 2));
      const at = crossing(own);
      return [
        tokens.toLocaleString("en"),
        dim,
        clusters,
        at.toFixed(3),
        (at * Math.log(tokens)).toFixed(2),
        `${from} to ${to}`,
        `${Math.min(...gains).toFixed(1)} to ${Math.max(...gains).toFixed(0)}`,
        shares.join(", "),
      ];
    }),
  );
  const right = rows.filter(({ winner, predicted }) => winner === predicted).length;
  console.log(`Predicted: ${right} of ${rows.length}.\n`);
}

function variance() {
  const rows = read("variance");
  table(
    ["distance", "d", "p", "MSE, features", "MSE, both", "ratio", "1 − p", "standard error"],
    rows
      .filter(({ t }) => [0.2, 0.5, 1].includes(t))
      .map((row) => [
        row.t.toFixed(1),
        row.d,
        row.p.toFixed(3),
        row.mse_features.toFixed(4),
        row.mse_scatterbrain.toFixed(4),
        row.ratio.toFixed(3),
        (1 - row.p).toFixed(3),
        row.ratio_error.toFixed(3),
      ]),
  );
  const deviations = rows.map(({ ratio, p, ratio_error }) => Math.abs(ratio - (1 - p)) / ratio_error);
  console.log(
    `Largest of ${rows.length} deviations: ${Math.max(...deviations).toFixed(1)} standard errors.\n`,
  );
}

function collisions() {
  const rows = read("collisions").filter(({ t }) => t === 1);
  const across = (name, cell) => [name, ...rows.map(cell)];
  table(
    across("distance 1", ({ d }) => `d = ${d.toLocaleString("en")}`),
    [
      across("p, measured", ({ p }) => p.toFixed(3)),
      across("p, Gaussian rotation (quadrature)", ({ p_gaussian }) => p_gaussian.toFixed(3)),
      across("d^(−1/3)", ({ p_formula }) => p_formula.toFixed(3)),
      across("ratio of the exponents", ({ exponent_ratio }) => exponent_ratio.toFixed(2)),
      across("remainder over ln ln d", ({ remainder }) => remainder.toFixed(2)),
    ],
  );
}

function entropy() {
  const rows = read("entropy");
  const bands = [
    ["below 0.3", 0, 0.3],
    ["0.3 to 0.6", 0.3, 0.6],
    ["0.6 to 0.9", 0.6, 0.9],
    ["above 0.9", 0.9, 1],
  ];
  for (const [name, prefix] of [
    ["matrix", ""],
    ["output", "output_"],
  ]) {
    const parts = ["sparse", "low_rank", "both"].map((part) => prefix + part);
    const cells = (family, cell) =>
      bands.map(([, from, to]) =>
        cell(
          rows.filter(
            (row) => row.family === family && row.normalised_entropy >= from && row.normalised_entropy < to,
          ),
        ),
      );
    const errors = (points) => parts.map((part) => short(median(points.map((row) => row[part])))).join(" / ");
    const best = (points) => {
      const won = parts.map((part) => {
        const rivals = parts.filter((other) => other !== part);
        return points.filter((row) => rivals.every((rival) => row[part] < 0.99 * row[rival])).length;
      });
      return `${won.join(" / ")} of ${points.length}`;
    };
    const families = ["paper", "default", "oracle"];
    table(
      [`error of the ${name}: sparse / low rank / both`, ...bands.map(([band]) => band)],
      [
        ...families.map((family) => [`${family}, median`, ...cells(family, errors)]),
        ...families.map((family) => [`${family}, best by 1 %`, ...cells(family, best)]),
      ],
    );
  }
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

regimes();
variance();
collisions();
entropy();
