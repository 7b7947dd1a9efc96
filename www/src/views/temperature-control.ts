import { formatNumber, formatTick } from "../lib/format.ts";
import type { Step } from "../lib/store.ts";
import { fromSlider, parseTemperature, SLIDER, toSlider } from "../lib/temperature.ts";
import { byId, element } from "./dom.ts";

export interface TemperatureEvents {
  onTemperature(temperature: number, step: Step): void;
}

const TICKS = [0.01, 0.1, 1, 10, 100];

/** The logarithmic temperature slider, its number and its reset. */
export class TemperatureControl {
  readonly #slider = byId("temperature", HTMLInputElement);
  readonly #number = byId("temperature-number", HTMLInputElement);
  readonly #error = byId("temperature-error", HTMLElement);
  readonly #reset = byId("temperature-reset", HTMLButtonElement);
  readonly #unit = byId("temperature-unit", HTMLElement);
  readonly #own = element("span", { class: "own" });
  readonly #events: TemperatureEvents;
  #temperature = 1;

  constructor(events: TemperatureEvents) {
    this.#events = events;
    this.#slider.min = String(SLIDER.min);
    this.#slider.max = String(SLIDER.max);
    this.#slider.step = String(SLIDER.step);
    this.#slider.addEventListener("input", () =>
      events.onTemperature(fromSlider(Number(this.#slider.value)), "replace"),
    );
    this.#number.addEventListener("change", () => this.#type());
    this.#reset.addEventListener("click", () => events.onTemperature(1, "push"));
    this.#drawScale();
  }

  /** `logits`: their formula, for heads that do not come from a model, whose training chose its temperature. */
  show(temperature: number, logits: string | null): void {
    this.#temperature = temperature;
    this.#unit.textContent = logits === null ? "× as trained" : `(logits ${logits})`;
    this.#own.textContent = logits === null ? "1 · as trained" : "1";
    // A slider that already stands there must not jump to the nearest step under the reader's finger.
    if (fromSlider(Number(this.#slider.value)) !== temperature) {
      this.#slider.value = String(toSlider(temperature));
    }
    const text = `${formatNumber(temperature)} times the head’s own temperature`;
    this.#slider.setAttribute("aria-valuetext", text);
    this.#number.value = formatTick(temperature);
    this.#complain("");
    this.#reset.disabled = temperature === 1;
  }

  #type(): void {
    const temperature = parseTemperature(this.#number.value);
    if (temperature === null) {
      this.#complain(`“${this.#number.value.slice(0, 20)}” is not a number from 0.01 to 100.`);
      return;
    }
    this.#complain("");
    if (temperature === this.#temperature) this.#number.value = formatTick(temperature);
    else this.#events.onTemperature(temperature, "push");
  }

  #complain(text: string): void {
    this.#error.textContent = text;
    this.#number.setAttribute("aria-invalid", String(text !== ""));
  }

  #drawScale(): void {
    const words: Record<number, string> = { 0.01: "0.01 sharper", 100: "softer 100" };
    byId("temperature-scale", HTMLElement).append(
      ...TICKS.map((value) => {
        const tick = value === 1 ? this.#own : element("span", {}, words[value] ?? formatTick(value));
        tick.style.left = `${((toSlider(value) - SLIDER.min) / (SLIDER.max - SLIDER.min)) * 100}%`;
        return tick;
      }),
    );
  }
}
