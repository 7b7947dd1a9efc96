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
  STORY,
  type State,
  SUPPORTS,
  TRANSFORMS,
} from "./state.ts";
import { stateOf, stayInStep } from "./story.ts";

/**
 * The state in the address: `?v=1&head=…&t=…`. Only what differs from the defaults is written, or, in the story,
 * from what its step shows: `?v=1&step=…`. An address that says nothing opens the story. Reading never throws:
 * unknown keys are ignored, a value that is no value keeps the default, a number outside its range is moved into it,
 * and combinations that cannot be computed are reconciled. A head from a file is not in it; there is one only where
 * the page still has it.
 */
const VERSION = "1";

/** Longer than any address this page writes; more is not worth reading. */
const MAX_LENGTH = 2000;

export function encodeState(state: State): string {
  const out = new URLSearchParams({ v: VERSION });
  const defaults = state.step ? stateOf(state.step) : DEFAULTS;
  if (state.step) out.set("step", state.step);
  const put = (key: string, value: string | number, standard: string | number) => {
    if (value !== standard) out.set(key, String(value));
  };
  put("head", state.preset, defaults.preset);
  put("t", state.temperature, defaults.temperature);
  put("budget", state.budget, defaults.budget);
  put("split", state.split, defaults.split);
  put("support", state.support, defaults.support);
  put("features", state.features, defaults.features);
  put("seed", state.seed, defaults.seed);
  put("n", state.clusters.tokens, defaults.clusters.tokens);
  put("clusters", state.clusters.clusters, defaults.clusters.clusters);
  put("spread", state.clusters.spread, defaults.clusters.spread);
  put("dim", state.clusters.dim, defaults.clusters.dim);
  put("data-seed", state.clusters.seed, defaults.clusters.seed);
  put("backend", state.backend, defaults.backend);
  put("scale", state.transform, defaults.transform);
  put("span", state.span, defaults.span);
  put("cell", writeCell(state.cell), writeCell(defaults.cell));
  if (state.view) out.set("view", `${state.view.query}-${state.view.key}-${state.view.size}`);
  if (state.pinned) out.set("with", encodePin(state.pinned));
  return `?${out}`;
}

/** Whether the address is of a head from a file. */
export function namesOwnHead(search: string): boolean {
  return new URLSearchParams(search).get("head") === OWN_ID;
}

export function decodeState(search: string, own: OwnHead | null = null): State {
  if (search.length > MAX_LENGTH) return { ...DEFAULTS, own };
  const query = new URLSearchParams(search);
  let silent = true;
  const read = (key: string) => {
    silent &&= !query.has(key);
    return query.get(key);
  };
  // An address from another version may mean something else by the same keys.
  if ((read("v") ?? VERSION) !== VERSION) return { ...DEFAULTS, own };
  const step = oneOf(read("step"), STORY, null);
  const defaults = step ? stateOf(step) : DEFAULTS;
  const number = (key: string, range: Range & { integer?: boolean }, standard: number) =>
    readNumber(read(key), range, standard);
  const preset = read("head");
  const state: State = {
    preset: preset !== null && (isPreset(preset) || (own && preset === OWN_ID)) ? preset : defaults.preset,
    own,
    temperature: number("t", RANGES.temperature, defaults.temperature),
    budget: number("budget", RANGES.budget, defaults.budget),
    split: number("split", RANGES.split, defaults.split),
    support: oneOf(read("support"), SUPPORTS, defaults.support),
    features: oneOf(read("features"), FEATURES, defaults.features),
    seed: number("seed", RANGES.seed, defaults.seed),
    clusters: {
      tokens: number("n", RANGES.tokens, defaults.clusters.tokens),
      clusters: number("clusters", RANGES.clusters, defaults.clusters.clusters),
      spread: number("spread", RANGES.spread, defaults.clusters.spread),
      dim: number("dim", RANGES.dim, defaults.clusters.dim),
      seed: number("data-seed", RANGES.dataSeed, defaults.clusters.seed),
    },
    backend: oneOf(read("backend"), BACKENDS, defaults.backend),
    transform: oneOf(read("scale"), TRANSFORMS, defaults.transform),
    span: oneOf(read("span"), SPANS, defaults.span),
    cell: readCell(read("cell")) ?? defaults.cell,
    view: readView(read("view")),
    pinned: decodePin(read("with")),
    step,
  };
  return silent ? { ...stateOf(STORY[0]), own } : stayInStep(reconcile(state).state);
}

function writeCell(cell: State["cell"]): string {
  return cell ? `${cell.query}-${cell.key}` : "";
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
