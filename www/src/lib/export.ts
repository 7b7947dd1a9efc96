import { CLUSTERS_ID } from "./presets.ts";
import type { Region } from "./region.ts";
import { METHODS } from "./request.ts";
import type { CurvePoint, Picture } from "./results.ts";
import type { Maps } from "./scale.ts";
import type { State } from "./state.ts";
import { tableCsv } from "./table.ts";

/** "dinov2-l09h2-t0.5-error-q8-71-k512-575.json": what is in the file. */
export function mapFileName(state: State, map: keyof Maps<unknown>, region: Region, ending: string): string {
  const { query, key, size } = region;
  const part = map === "lowRank" ? "low-rank" : map;
  const range = `q${query}-${query + size - 1}-k${key}-${key + size - 1}`;
  return `${state.preset}-t${state.temperature}-${part}-${range}.${ending}`;
}

export function curveFileName(state: State, ending: string): string {
  return `${state.preset}-curve.${ending}`;
}

/** What a reader needs to compute the same again. */
export function settings({ preset, budget, split, support, features, seed, clusters }: State) {
  const head = preset === CLUSTERS_ID ? { head: preset, clusters } : { head: preset };
  return { ...head, budget, split, support, features, seed };
}

/** How the rows of a map become a file: what comes between them, and after the last. */
export const MAP_FORMATS = {
  json: { type: "application/json", between: ",\n", end: "\n]}\n" },
  csv: { type: "text/csv", between: "\n", end: "\n" },
} as const;
export type MapFormat = keyof typeof MAP_FORMATS;

/** What comes before the rows of a region: in JSON what they are of, in CSV the keys. */
export function mapStart(
  format: MapFormat,
  { tokens, causal }: Pick<Picture, "tokens" | "causal">,
  state: State,
  map: keyof Maps<unknown>,
  { query, key, size }: Region,
): string {
  if (format === "csv") return `query,${Array.from({ length: size }, (_, j) => key + j)}\n`;
  const head = {
    map: map === "lowRank" ? "low-rank" : map,
    settings: { ...settings(state), temperature: state.temperature },
    tokens,
    causal,
    queries: [query, query + size - 1],
    keys: [key, key + size - 1],
    shape: [size, size],
  };
  return `${JSON.stringify(head).slice(0, -1)},"entries":[\n`;
}

/** One row of such a region: null, or nothing, where a key is in the query's future or an entry is no number. */
export function mapRow(
  format: MapFormat,
  row: Float32Array,
  query: number,
  { key, size }: Region,
  causal: boolean,
): string {
  const entries: string[] = [];
  for (let j = key; j < key + size; j++) {
    const value = row[j] as number;
    const none = (causal && j > query) || !Number.isFinite(value);
    // Nine digits give back every 32-bit float.
    entries.push(none ? (format === "json" ? "null" : "") : String(Number(value.toPrecision(9))));
  }
  return format === "json" ? `[${entries}]` : `${query},${entries}`;
}

export function curveCsv(points: readonly CurvePoint[]): string {
  return tableCsv({
    columns: ["temperature", ...METHODS, "entropy"],
    rows: points.map(({ temperature, errors, entropy }) => [
      temperature,
      ...METHODS.map((method) => errors[method]),
      entropy,
    ]),
  });
}

export function curveJson(points: readonly CurvePoint[], state: State): string {
  return `${JSON.stringify({ settings: settings(state), points }, null, 1)}\n`;
}
