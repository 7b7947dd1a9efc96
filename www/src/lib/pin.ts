import { oneOf, readNumber } from "./read-value.ts";
import { type Question, questionOf } from "./request.ts";
import { FEATURES, pictureKey, RANGES, type State, SUPPORTS } from "./state.ts";

/**
 * Pinned settings as one value of the address: "1_t0.5_b0.125_s0.5_smyrf_favor-centred_seed7". First the version of
 * this form; then all of the settings, because what is pinned must not move with the page's defaults.
 */
const VERSION = "1";
const PIN = /^1_t([^_]+)_b([^_]+)_s([^_]+)_([a-z0-9-]+)_([a-z0-9-]+)_seed(\d+)$/;

export function encodePin({ temperature, budget, split, support, features, seed }: Question): string {
  return `${VERSION}_t${temperature}_b${budget}_s${split}_${support}_${features}_seed${seed}`;
}

/** Numbers outside their ranges are moved into them; where any part is no value at all, nothing is pinned. */
export function decodePin(text: string | null): Question | null {
  const [, temperature, budget, split, support, features, seed] = PIN.exec(text ?? "") ?? [];
  const number = (part: string | undefined, range: Parameters<typeof readNumber>[1]) =>
    readNumber(part ?? null, range, Number.NaN);
  const numbers = {
    temperature: number(temperature, RANGES.temperature),
    budget: number(budget, RANGES.budget),
    split: number(split, RANGES.split),
    seed: number(seed, RANGES.seed),
  };
  const kinds = {
    support: oneOf(support ?? null, SUPPORTS, null),
    features: oneOf(features ?? null, FEATURES, null),
  };
  if (Object.values(numbers).some(Number.isNaN) || !kinds.support || !kinds.features) return null;
  return { ...numbers, support: kinds.support, features: kinds.features };
}

/** The state that would show what is pinned in place of the settings. */
export function pinnedState(state: State): State | null {
  return state.pinned && { ...state, ...state.pinned, pinned: null };
}

/** A and B in each other's place. */
export function swap(state: State): State {
  return state.pinned ? { ...state, ...state.pinned, pinned: questionOf(state) } : state;
}

export function sameQuestion(a: Question, b: Question): boolean {
  return encodePin(a) === encodePin(b);
}

/** Whether two states are of the same head, whatever their settings. */
export function sameHead(a: State, b: State): boolean {
  return pictureKey({ ...a, ...questionOf(b) }) === pictureKey(b);
}
