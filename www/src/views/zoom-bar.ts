import { describeRegion, isWhole, LEAST_SIZE, type Region, ZOOM_STEP } from "../lib/region.ts";
import { element } from "./dom.ts";

export interface ZoomBarEvents {
  onZoom(factor: number): void;
  onWhole(): void;
}

/** Buttons for those who do not turn wheels, and what the maps show, in words. */
export class ZoomBar {
  readonly root: HTMLElement;
  readonly #nearer = element("button", { type: "button", "aria-label": "Zoom in" }, "+");
  readonly #farther = element("button", { type: "button", "aria-label": "Zoom out" }, "−");
  readonly #whole = element("button", { type: "button" }, "Whole");
  readonly #range = element("span", { class: "range", role: "status" });

  constructor({ onZoom, onWhole }: ZoomBarEvents) {
    this.#nearer.addEventListener("click", () => onZoom(1 / ZOOM_STEP));
    this.#farther.addEventListener("click", () => onZoom(ZOOM_STEP));
    this.#whole.addEventListener("click", onWhole);
    const buttons = [this.#farther, this.#nearer, this.#whole];
    this.root = element(
      "div",
      { class: "zoom", role: "group", "aria-label": "Zoom" },
      ...buttons,
      this.#range,
    );
  }

  show(region: Region, tokens: number): void {
    const text = describeRegion(region, tokens);
    // The same words again would be spoken again.
    if (this.#range.textContent !== text) this.#range.textContent = text;
    // Not "disabled", which would take the focus away from under a finger or key.
    const whole = isWhole(region, tokens);
    this.#farther.setAttribute("aria-disabled", String(whole));
    this.#whole.setAttribute("aria-disabled", String(whole));
    this.#nearer.setAttribute("aria-disabled", String(region.size <= Math.min(LEAST_SIZE, tokens)));
  }
}
