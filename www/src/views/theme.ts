import type { Theme } from "../lib/colour.ts";
import { byId } from "./dom.ts";

const STORAGE_KEY = "scatterbrain-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

/** The theme switch: the system's theme unless the reader chose one, which is remembered on this device. */
export class ThemeSwitch {
  readonly #onChange: (theme: Theme) => void;

  constructor(onChange: (theme: Theme) => void) {
    this.#onChange = onChange;
    const root = byId("theme", HTMLFieldSetElement);
    for (const input of root.querySelectorAll("input")) {
      input.checked = input.value === (document.documentElement.dataset.theme ?? "system");
      input.addEventListener("change", () => this.#choose(input.value));
    }
    for (const media of [system, paper]) media.addEventListener("change", () => onChange(this.theme));
  }

  get theme(): Theme {
    if (paper.matches) return "light";
    const chosen = document.documentElement.dataset.theme;
    if (chosen === "light" || chosen === "dark") return chosen;
    return system.matches ? "dark" : "light";
  }

  #choose(value: string): void {
    if (value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
    try {
      if (value === "system") localStorage.removeItem(STORAGE_KEY);
      else localStorage.setItem(STORAGE_KEY, value);
    } catch {
      // Storage may be forbidden; the choice then lasts until the page is left.
    }
    this.#onChange(this.theme);
  }
}
