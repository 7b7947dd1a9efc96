import { readFileSync } from "node:fs";

/** The rows of one file of data/theory. */
export function read(name) {
  return JSON.parse(readFileSync(new URL(`../data/theory/${name}.json`, import.meta.url), "utf8"));
}

/** β / ln n at which sparse and low rank alone need equally many parameters; in between, lines in the logarithms. */
export function crossing(rows) {
  const lead = (row) => Math.log(row.sparse / row.low_rank);
  const after = rows.findIndex((row) => lead(row) < 0);
  const [a, b] = [rows[after - 1], rows[after]];
  const share = lead(a) / (lead(a) - lead(b));
  return a.beta_over_ln_n * (b.beta_over_ln_n / a.beta_over_ln_n) ** share;
}
