import { CLUSTERS_ID } from "./presets.ts";
import type { Region } from "./region.ts";
import { METHODS } from "./request.ts";
import type { CurvePoint, Picture } from "./results.ts";
import type { Maps } from "./scale.ts";
import type { State } from "./state.ts";

/** Work on the page's own thread pauses after so many milliseconds. */
const SLICE_MS = 10;

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

/**
 * A region of one map as JSON, in pieces: its entries row by row, null where a key is in the query's future or an
 * entry is no number. Gives way to the page in between, as a whole matrix is a million numbers.
 */
export async function mapJson(
  picture: Picture,
  state: State,
  map: keyof Maps<unknown>,
  { query, key, size }: Region,
): Promise<string[]> {
  const head = {
    map: map === "lowRank" ? "low-rank" : map,
    settings: { ...settings(state), temperature: state.temperature },
    tokens: picture.tokens,
    causal: picture.causal,
    queries: [query, query + size - 1],
    keys: [key, key + size - 1],
    shape: [size, size],
  };
  const matrix = picture[map];
  const parts = [`${JSON.stringify(head).slice(0, -1)},"entries":[\n`];
  let start = performance.now();
  for (let i = 0; i < size; i++) {
    const row: string[] = [];
    for (let j = 0; j < size; j++) {
      const value = matrix[(query + i) * picture.tokens + key + j] as number;
      const none = (picture.causal && key + j > query + i) || !Number.isFinite(value);
      // Nine digits give back every 32-bit float.
      row.push(none ? "null" : String(Number(value.toPrecision(9))));
    }
    parts.push(`[${row}]${i < size - 1 ? ",\n" : "\n"}`);
    if (performance.now() - start > SLICE_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      start = performance.now();
    }
  }
  parts.push("]}\n");
  return parts;
}

export function curveCsv(points: readonly CurvePoint[]): string {
  const rows = points.map(({ temperature, errors, entropy }) =>
    [temperature, ...METHODS.map((method) => errors[method]), entropy].join(),
  );
  return `${["temperature", ...METHODS, "entropy"].join()}\n${rows.join("\n")}\n`;
}

export function curveJson(points: readonly CurvePoint[], state: State): string {
  return `${JSON.stringify({ settings: settings(state), points }, null, 1)}\n`;
}
