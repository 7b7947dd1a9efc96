import { LANGUAGES, type Language, snippet } from "../lib/snippet.ts";
import type { State } from "../lib/state.ts";
import { byId } from "./dom.ts";

/** The current settings as a program, to take along. */
export class CodeDialog {
  readonly #dialog = byId("code", HTMLDialogElement);
  readonly #text = byId("code-text", HTMLPreElement);
  readonly #note = byId("code-note", HTMLElement);
  readonly #state: () => State;
  #language: Language = "javascript";

  constructor(state: () => State) {
    this.#state = state;
    byId("code-open", HTMLButtonElement).addEventListener("click", () => {
      this.#show();
      this.#dialog.showModal();
    });
    byId("code-close", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    byId("code-copy", HTMLButtonElement).addEventListener("click", () => void this.#copy());
    for (const input of byId("code-language", HTMLFieldSetElement).querySelectorAll("input")) {
      input.addEventListener("change", () => {
        this.#language = LANGUAGES.find((one) => one === input.value) ?? this.#language;
        this.#show();
      });
    }
  }

  #show(): void {
    this.#text.textContent = snippet(this.#state(), this.#language);
    this.#text.scrollTo(0, 0);
    this.#note.textContent = "";
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#text.textContent);
      this.#note.textContent = "Copied.";
    } catch {
      // Refused, or an address without https, where there is no clipboard at all.
      getSelection()?.selectAllChildren(this.#text);
      this.#text.focus();
      this.#note.textContent = "The browser refused the clipboard. The code is selected: copy it by hand.";
    }
  }
}
