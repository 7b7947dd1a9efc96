import type { Backend } from "./backend.ts";
import { CLUSTER_SCALE, type ClusterParameters } from "./clusters.ts";
import { nearestParts } from "./combinations.ts";
import type { HeadShape } from "./head.ts";
import { OWN_ID, type OwnHead } from "./own.ts";
import { CAPTURED, CLUSTERS_ID, DEFAULT_PRESET, presetById } from "./presets.ts";
import type { Region } from "./region.ts";
import type { Question } from "./request.ts";

export const SUPPORTS = ["clusters", "window", "top-k", "lsh", "smyrf"] as const;
export type SupportKind = (typeof SUPPORTS)[number];

export const FEATURES = [
  "landmarks",
  "favor",
  "favor-hyperbolic",
  "favor-centred",
  "optimal",
  "elu",
  "taylor-1",
  "taylor-2",
] as const;
export type FeaturesKind = (typeof FEATURES)[number];

export const TRANSFORMS = ["log", "sqrt", "linear"] as const;
export type Transform = (typeof TRANSFORMS)[number];

export const SPANS = ["shared", "own"] as const;
/** Whether the four colour scales hang together or each map has its own. */
export type Span = (typeof SPANS)[number];

/** The steps of the story, in order. In the address of the page: never rename. */
export const STORY = ["matrix", "temperature", "sharp", "flat", "middle", "sum"] as const;
export type StoryStep = (typeof STORY)[number];

export interface Cell {
  query: number;
  key: number;
}

/** Everything that decides what the page shows. All of it is in the address, but for the reader’s own head. */
export interface State {
  /** A preset’s id, or `OWN_ID` once there is an `own`. */
  preset: string;
  /** The reader’s own head; it stays at hand while presets are looked at. */
  own: OwnHead | null;
  /** Times the head's own temperature. */
  temperature: number;
  /** Floats kept per query row, as a share of the keys. */
  budget: number;
  /** The support's share of the budget. */
  split: number;
  support: SupportKind;
  features: FeaturesKind;
  /** Seed of hashing and random features. */
  seed: number;
  clusters: ClusterParameters;
  /** Where the estimator is tried out besides; the maps do not depend on it. */
  backend: Backend;
  transform: Transform;
  span: Span;
  /** The cell cursor; null until the reader sets one. */
  cell: Cell | null;
  /** The part of the matrix that the maps show; null for all of it. */
  view: Region | null;
  /** The step of the story that is told; null where the reader explores freely. */
  step: StoryStep | null;
  /** Settings that the same head is shown with besides, for comparison. */
  pinned: Question | null;
}

export interface Range {
  min: number;
  max: number;
}

const MAX_SEED = 2 ** 32 - 1;

/** Every number's allowed range; whole numbers where `integer` says so. */
export const RANGES = {
  temperature: { min: 0.01, max: 100 },
  budget: { min: 0.01, max: 1 },
  split: { min: 0.05, max: 0.95 },
  seed: { min: 0, max: MAX_SEED, integer: true },
  tokens: { min: 32, max: 1024, integer: true },
  clusters: { min: 1, max: 64, integer: true },
  spread: { min: 0, max: 2 },
  dim: { min: 2, max: 256, integer: true },
  dataSeed: { min: 0, max: MAX_SEED, integer: true },
} as const satisfies Record<string, Range & { integer?: true }>;

export const DEFAULTS: State = {
  preset: DEFAULT_PRESET,
  own: null,
  temperature: 1,
  budget: 0.125,
  split: 0.5,
  support: "smyrf",
  features: "favor-centred",
  seed: 1,
  clusters: { tokens: 512, clusters: 16, spread: 0.5, dim: 64, seed: 1 },
  backend: "wasm",
  transform: "log",
  span: "shared",
  cell: null,
  view: null,
  step: null,
  pinned: null,
};

/** A replacement that `reconcile` made, for the reader to see. */
export interface Replacement {
  what: "support" | "features";
  from: string;
  to: string;
  reason: string;
}

/** A state that can be computed, and what had to be replaced for that. */
export interface Reconciled {
  state: State;
  replacements: Replacement[];
  /** In what is pinned. */
  pinReplacements: Replacement[];
}

/**
 * Turns a state that cannot be computed (a causal head with a support that looks ahead) into the nearest one
 * that can, and says what it replaced.
 */
export function reconcile(state: State): Reconciled {
  const causal = isCausal(state);
  const { parts, replacements } = nearestParts(state, causal);
  const next = { ...state, ...parts };
  const pin = state.pinned && nearestParts(state.pinned, causal);
  if (state.pinned && pin) next.pinned = { ...state.pinned, ...pin.parts };
  if (state.clusters.clusters > state.clusters.tokens) {
    next.clusters = { ...state.clusters, clusters: state.clusters.tokens };
  }
  return { state: next, replacements, pinReplacements: pin?.replacements ?? [] };
}

/** What the four maps depend on; two states with the same key have the same matrices. */
export function pictureKey(state: State): string {
  return JSON.stringify([curveKey(state), state.temperature]);
}

/** What the curve depends on: everything but the temperature. */
export function curveKey(state: State): string {
  const { preset, budget, split, support, features, seed, clusters } = state;
  const data = preset === CLUSTERS_ID ? clusters : ownHead(state);
  return JSON.stringify([preset, budget, split, support, features, seed, data]);
}

/** The reader's own head, where it is the one that is shown. */
export function ownHead({ preset, own }: State): OwnHead | null {
  return preset === OWN_ID ? own : null;
}

/** Queries and keys of the head. */
export function tokensOf(state: State): number {
  return ownHead(state)?.tokens ?? presetById(state.preset).tokens ?? state.clusters.tokens;
}

/** The head that is shown, without its numbers. */
export function headShape(state: State): HeadShape {
  const own = ownHead(state);
  if (own) {
    const { tokens, dim, valueDim, scale, causal } = own;
    return { tokens, dim, valueDim, scale, causal };
  }
  const { dim } = state.clusters;
  const made = { dim, valueDim: dim, scale: CLUSTER_SCALE };
  const rest = state.preset === CLUSTERS_ID ? made : CAPTURED;
  return { tokens: tokensOf(state), ...rest, causal: isCausal(state) };
}

export function isCausal(state: State): boolean {
  return ownHead(state)?.causal ?? presetById(state.preset).causal;
}
