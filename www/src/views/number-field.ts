import type { Range, State } from "../lib/state.ts";
import { byId } from "./dom.ts";

/** A number input that belongs to one value of the state. Only numbers in range get out of it. */
export class NumberField {
  readonly #input: HTMLInputElement;
  readonly #read: (state: State) => number;

  constructor(
    id: string,
    range: Range & { integer?: true },
    read: (state: State) => number,
    onChange: (value: number) => void,
  ) {
    this.#read = read;
    this.#input = byId(id, HTMLInputElement);
    this.#input.min = String(range.min);
    this.#input.max = String(range.max);
    this.#input.step = range.integer ? "1" : "any";
    this.#input.addEventListener("change", () => {
      // The browser's own message says what is wrong: the range, or that it is no number.
      if (this.#input.reportValidity()) onChange(this.#input.valueAsNumber);
    });
  }

  show(state: State): void {
    const value = String(this.#read(state));
    if (this.#input.value !== value) this.#input.value = value;
  }
}
