import { element } from "./dom.ts";

/** Shorter waits are not worth a word. */
const PATIENCE_MS = 700;

/** What is being waited for, above the maps, and what went wrong. */
export class Status {
  readonly #progress = element("progress", { max: "1", "aria-label": "Progress" });
  readonly #text = element("span", {});
  readonly #box: HTMLElement;
  readonly #alert: HTMLElement;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: HTMLElement, alert: HTMLElement, onCancel: () => void) {
    this.#alert = alert;
    const cancel = element("button", { type: "button" }, "Cancel");
    cancel.addEventListener("click", onCancel);
    this.#box = element("div", { class: "progress", hidden: "" }, this.#text, this.#progress, cancel);
    host.append(this.#box);
  }

  begin(): void {
    this.clear();
    this.#text.textContent = "Starting…";
    this.#progress.removeAttribute("value");
    this.#showSoon();
  }

  /** Work that is no new beginning: what went wrong before stays on the screen. */
  aside(text: string, fraction: number): void {
    this.progress(text, fraction);
    this.#showSoon();
  }

  progress(text: string, fraction: number): void {
    this.#text.textContent = text;
    this.#progress.value = fraction;
  }

  #showSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#box.hidden = false;
    }, PATIENCE_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#box.hidden = true;
  }

  /** A message that stays until it is acted upon. */
  complain(text: string, action: string, onAction: () => void): void {
    const button = element("button", { type: "button" }, action);
    button.addEventListener("click", () => {
      this.clear();
      onAction();
    });
    this.#alert.replaceChildren(element("span", {}, text), button);
    this.#alert.hidden = false;
  }

  clear(): void {
    this.#alert.hidden = true;
    this.#alert.replaceChildren();
  }
}
