import { BACKENDS } from "./backend.ts";
import { OWN_ID, type OwnHead } from "./own.ts";
import { decodePin, encodePin } from "./pin.ts";
import { isPreset } from "./presets.ts";
import { oneOf, readNumber } from "./read-value.ts";
import { LEAST_SIZE } from "./region.ts";
import {
  DEFAULTS,
  FEATURES,
  RANGES,
  type Range,
  reconcile,
  SPANS,
  type State,
  SUPPORTS,
  TRANSFORMS,
} from "./state.ts";

/**
 * The state in the address: `?v=1&head=…&t=…`. Only what differs from the defaults is written. Reading never
 * throws: unknown keys are ignored, a value that is no value keeps the default, a number outside its range is
 * moved into it, and combinations that cannot be computed are reconciled. A head from a file is not in it; there is
 * one only where the page still has it.
 */
const VERSION = "1";

/** Longer than any address this page writes; more is not worth reading. */
const MAX_LENGTH = 2000;

export function encodeState(state: State): string {
  const out = new URLSearchParams({ v: VERSION });
  const put = (key: string, value: string | number, standard: string | number) => {
    if (value !== standard) out.set(key, String(value));
  };
  put("head", state.preset, DEFAULTS.preset);
  put("t", state.temperature, DEFAULTS.temperature);
  put("budget", state.budget, DEFAULTS.budget);
  put("split", state.split, DEFAULTS.split);
  put("support", state.support, DEFAULTS.support);
  put("features", state.features, DEFAULTS.features);
  put("seed", state.seed, DEFAULTS.seed);
  put("n", state.clusters.tokens, DEFAULTS.clusters.tokens);
  put("clusters", state.clusters.clusters, DEFAULTS.clusters.clusters);
  put("spread", state.clusters.spread, DEFAULTS.clusters.spread);
  put("dim", state.clusters.dim, DEFAULTS.clusters.dim);
  put("data-seed", state.clusters.seed, DEFAULTS.clusters.seed);
  put("backend", state.backend, DEFAULTS.backend);
  put("scale", state.transform, DEFAULTS.transform);
  put("span", state.span, DEFAULTS.span);
  if (state.cell) out.set("cell", `${state.cell.query}-${state.cell.key}`);
  if (state.view) out.set("view", `${state.view.query}-${state.view.key}-${state.view.size}`);
  if (state.pinned) out.set("with", encodePin(state.pinned));
  return `?${out}`;
}

/** Whether the address is of a head from a file. */
export function namesOwnHead(search: string): boolean {
  return new URLSearchParams(search).get("head") === OWN_ID;
}

export function decodeState(search: string, own: OwnHead | null = null): State {
  const defaults = { ...DEFAULTS, own };
  if (search.length > MAX_LENGTH) return defaults;
  const query = new URLSearchParams(search);
  // An address from another version may mean something else by the same keys.
  if (query.has("v") && query.get("v") !== VERSION) return defaults;
  const number = (key: string, range: Range & { integer?: boolean }, standard: number) =>
    readNumber(query.get(key), range, standard);
  const preset = query.get("head");
  const state: State = {
    preset: preset !== null && (isPreset(preset) || (own && preset === OWN_ID)) ? preset : DEFAULTS.preset,
    own,
    temperature: number("t", RANGES.temperature, DEFAULTS.temperature),
    budget: number("budget", RANGES.budget, DEFAULTS.budget),
    split: number("split", RANGES.split, DEFAULTS.split),
    support: oneOf(query.get("support"), SUPPORTS, DEFAULTS.support),
    features: oneOf(query.get("features"), FEATURES, DEFAULTS.features),
    seed: number("seed", RANGES.seed, DEFAULTS.seed),
    clusters: {
      tokens: number("n", RANGES.tokens, DEFAULTS.clusters.tokens),
      clusters: number("clusters", RANGES.clusters, DEFAULTS.clusters.clusters),
      spread: number("spread", RANGES.spread, DEFAULTS.clusters.spread),
      dim: number("dim", RANGES.dim, DEFAULTS.clusters.dim),
      seed: number("data-seed", RANGES.dataSeed, DEFAULTS.clusters.seed),
    },
    backend: oneOf(query.get("backend"), BACKENDS, DEFAULTS.backend),
    transform: oneOf(query.get("scale"), TRANSFORMS, DEFAULTS.transform),
    span: oneOf(query.get("span"), SPANS, DEFAULTS.span),
    cell: readCell(query.get("cell")),
    view: readView(query.get("view")),
    pinned: decodePin(query.get("with")),
  };
  return reconcile(state).state;
}

/** Whether the cell lies in the matrix is known only when the head is loaded; see `clampCell`. */
function readCell(text: string | null): State["cell"] {
  const match = text === null ? null : /^(\d{1,5})-(\d{1,5})$/.exec(text);
  return match ? { query: Number(match[1]), key: Number(match[2]) } : null;
}

/** First query, first key and entries a side; brought into the matrix by `clampRegion` when the head is loaded. */
function readView(text: string | null): State["view"] {
  const match = text === null ? null : /^(\d{1,5})-(\d{1,5})-(\d{1,5})$/.exec(text);
  if (!match) return null;
  return {
    query: Number(match[1]),
    key: Number(match[2]),
    size: Math.max(LEAST_SIZE, Number(match[3])),
  };
}
