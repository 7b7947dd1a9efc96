import type { State } from "./state.ts";

/** How a change enters the browser's history: a step of its own, or in place of the current one. */
export type Step = "push" | "replace" | "none";

export type Listener = (state: State, previous: State, step: Step) => void;

/** The one place where the state lives. */
export class Store {
  #state: State;
  readonly #listeners: Listener[] = [];

  constructor(state: State) {
    this.#state = state;
  }

  get state(): State {
    return this.#state;
  }

  set(state: State, step: Step): void {
    const previous = this.#state;
    this.#state = state;
    for (const listener of this.#listeners) listener(state, previous, step);
  }

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }
}
