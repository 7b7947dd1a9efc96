import { DEFAULTS, STORY, type State, type StoryStep } from "./state.ts";

/** What a reader moves within a step; everything else is the step's own. */
export type Movable = Pick<State, "temperature" | "cell" | "view">;

/** Something to try: one of the page's own controls, moved for the reader. */
export interface Try {
  label: string;
  patch: Partial<Movable>;
}

/** What a step is about; its text is in the page. */
export interface Told {
  title: string;
  temperature: number;
  tries: readonly Try[];
  /** The number below the text: how many keys a query looks at, or how far each method is off. */
  meter: "entropy" | "errors" | null;
}

/**
 * One head and one method all the way, so that only the temperature moves: a head whose curve has the whole range,
 * and the package's own method, which on trained heads does what the paper promises.
 */
const SETTINGS: Partial<State> = { preset: "dinov2-l03h0", support: "clusters", features: "landmarks" };

const [SHARP, CROSSING, TRAINED, FLAT] = [0.1, 0.5, 1, 10] as const;
const to = (temperature: number, what: string): Try => ({
  label: `${what}: τ = ${temperature}`,
  patch: { temperature },
});

export const STEPS: Record<StoryStep, Told> = {
  matrix: {
    title: "An attention matrix",
    temperature: TRAINED,
    tries: [
      { label: "64 × 64 weights", patch: { view: { query: 480, key: 930, size: 64 } } },
      { label: "All of them", patch: { view: null } },
    ],
    meter: null,
  },
  temperature: {
    title: "Temperature",
    temperature: TRAINED,
    tries: [to(SHARP, "Sharp"), to(TRAINED, "As trained"), to(FLAT, "Flat")],
    meter: "entropy",
  },
  sharp: {
    title: "Sharp: sparse is enough",
    temperature: SHARP,
    tries: [to(TRAINED, "Raise it"), to(SHARP, "Back")],
    meter: "errors",
  },
  flat: {
    title: "Flat: low rank is enough",
    temperature: FLAT,
    tries: [to(SHARP, "Lower it"), to(FLAT, "Back")],
    meter: "errors",
  },
  middle: {
    title: "The middle: neither is enough",
    temperature: CROSSING,
    tries: [to(0.25, "Sharper"), to(CROSSING, "Crossing"), to(TRAINED, "Flatter")],
    meter: "errors",
  },
  sum: {
    title: "The sum of both",
    temperature: CROSSING,
    tries: [
      { label: "An entry on S", patch: { cell: { query: 512, key: 944 } } },
      { label: "One outside", patch: { cell: { query: 512, key: 476 } } },
    ],
    meter: "errors",
  },
};

/** The state that a step's text speaks of. */
export function stateOf(step: StoryStep): State {
  return { ...DEFAULTS, ...SETTINGS, temperature: STEPS[step].temperature, step };
}

const MOVABLE: ReadonlySet<keyof State> = new Set(["temperature", "cell", "view", "own"]);

/** A step's text is true of its own settings: whoever changes one of those has left the story. */
export function stayInStep(state: State): State {
  if (state.step === null) return state;
  const told = stateOf(state.step);
  const same = (Object.keys(told) as (keyof State)[]).every(
    (key) => MOVABLE.has(key) || JSON.stringify(state[key]) === JSON.stringify(told[key]),
  );
  return same ? state : { ...state, step: null };
}

/** The step before, or after; null at either end. */
export function neighbour(step: StoryStep, by: -1 | 1): StoryStep | null {
  return STORY[STORY.indexOf(step) + by] ?? null;
}
