import { OWN_FORMATS, OWN_LIMITS, type OwnHead } from "../lib/own.ts";
import { ownHead, type State } from "../lib/state.ts";
import { byId } from "./dom.ts";
import { listenForDrops } from "./file-drop.ts";
import { NumberField } from "./number-field.ts";

export interface OwnHeadEvents {
  onFiles(files: File[]): void;
  onChange(own: OwnHead): void;
}

/** Digits of a scale that are shown; what is typed counts in full. */
const SCALE_DIGITS = 6;

/** The way in for the reader's own files, and the settings of what was in them. */
export class OwnHeadControls {
  readonly #input = byId("own-files", HTMLInputElement);
  readonly #note = byId("own-note", HTMLElement);
  readonly #noteText = this.#note.textContent;
  readonly #fieldset = byId("own-fields", HTMLFieldSetElement);
  readonly #index = byId("own-index", HTMLInputElement);
  readonly #causal = byId("own-causal", HTMLInputElement);
  readonly #fields: NumberField[];
  #own: OwnHead | null = null;

  constructor(events: OwnHeadEvents) {
    const change = (patch: Partial<OwnHead>) => {
      if (this.#own) events.onChange({ ...this.#own, ...patch });
    };
    this.#input.accept = OWN_FORMATS.join(",");
    this.#input.addEventListener("change", () => {
      const files = [...(this.#input.files ?? [])];
      // The same file once more is a choice too: it may have changed.
      this.#input.value = "";
      if (files.length > 0) events.onFiles(files);
    });
    byId("own-pick", HTMLButtonElement).addEventListener("click", () => this.pick());
    listenForDrops(events.onFiles);
    this.#fields = [
      new NumberField(
        "own-index",
        { min: 0, max: 0, integer: true },
        ({ own }) => own?.head ?? 0,
        (head) => change({ head }),
      ),
      new NumberField(
        "own-scale",
        OWN_LIMITS.scale,
        ({ own }) => Number((own?.scale ?? 1).toPrecision(SCALE_DIGITS)),
        (scale) => change({ scale }),
      ),
    ];
    this.#causal.addEventListener("change", () => change({ causal: this.#causal.checked }));
  }

  pick(): void {
    this.#input.click();
  }

  /** What is being read, or null when it is done. */
  showReading(name: string | null): void {
    this.#note.textContent = name === null ? this.#noteText : `Reading ${name}…`;
  }

  show(state: State): void {
    this.#own = ownHead(state);
    this.#fieldset.hidden = this.#own === null;
    if (!this.#own) return;
    const { heads, causal } = this.#own;
    this.#index.max = String(heads - 1);
    this.#index.disabled = heads === 1;
    byId("own-index-label", HTMLElement).textContent = heads === 1 ? "Head" : `Head, 0 to ${heads - 1}`;
    this.#causal.checked = causal;
    for (const field of this.#fields) field.show(state);
  }
}
