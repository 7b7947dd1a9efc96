import { pinnedState, sameHead, sameQuestion, swap } from "./lib/pin.ts";
import { questionOf } from "./lib/request.ts";
import type { Entry, Look, Summary } from "./lib/results.ts";
import type { Cell, Replacement, State } from "./lib/state.ts";
import { PinnedSession } from "./pinned-session.ts";
import { byId } from "./views/dom.ts";
import type { Drawing, MapCursor } from "./views/maps.ts";
import { Pinned } from "./views/pinned.ts";
import type { EngineClient } from "./worker/client.ts";

export interface ComparisonEvents {
  cursor: MapCursor;
  onChange(state: State): void;
}

/** Without a view. */
const NOTHING: Look = { size: 1, view: null, cell: null };

/** Settings that stay, B, beside those that the controls change, A: pinned, computed, shown and let go again. */
export class Comparison {
  readonly #root = byId("pinned", HTMLElement);
  readonly #pin = byId("pin", HTMLButtonElement);
  readonly #note = byId("pin-note", HTMLElement);
  readonly #goTo = byId("go-to-pinned", HTMLButtonElement);
  readonly #session: PinnedSession;
  readonly #events: ComparisonEvents;
  #view: Pinned | null = null;
  #state: State;
  /** Kept for a view that is made later than they come. */
  #drawing: Drawing | null = null;
  #cell: Cell | null = null;
  #summary: [Summary, State] | null = null;

  constructor(state: State, client: EngineClient, events: ComparisonEvents) {
    this.#state = state;
    this.#events = events;
    this.#session = new PinnedSession(client, {
      look: () => this.#view?.look ?? NOTHING,
      onStale: () => this.#view?.fade(),
      onProgress: (fraction) => this.#view?.progress(fraction),
      onPicture: (...shown) => this.#view?.showPicture(...shown),
      onPart: (what, fraction) => this.#view?.showPart(what, fraction),
      onPartEnd: () => this.#view?.endPart(),
      onSummary: (summary) => {
        this.#view?.showSummary(summary);
        this.#showWords();
      },
      onStopped: (message) => this.#view?.showStopped(message),
    });
    this.#pin.addEventListener("click", () => this.#pinSettings());
    this.#goTo.addEventListener("click", () => {
      this.#root.scrollIntoView();
      this.#root.focus({ preventScroll: true });
    });
  }
  /** Takes up a new state; `replacements` are those in what is pinned. */
  show(state: State, replacements: readonly Replacement[]): void {
    this.#state = state;
    const pinned = pinnedState(state);
    if (pinned) this.#open(pinned).show(pinned, replacements);
    else this.#close();
    this.#showA();
    this.#session.update(state);
    this.#showWords();
  }

  /** The settings' own picture is being computed: it goes first. */
  hold(): void {
    this.#session.hold();
  }

  release(): void {
    this.#session.release();
  }

  /** Numbers of A, and the state they are of. */
  showSummary(summary: Summary, state: State): void {
    this.#summary = [summary, state];
    this.#showA();
    this.#showWords();
  }

  setDrawing(drawing: Drawing): void {
    this.#drawing = drawing;
    this.#view?.setDrawing(drawing);
  }

  setCell(cell: Cell | null): void {
    this.#cell = cell;
    this.#view?.setCell(cell);
  }

  /** The entry of B under the cursor. */
  get entry(): Entry | null {
    return this.#view?.entry ?? null;
  }

  #pinSettings(): void {
    const pinned = questionOf(this.#state);
    if (this.#state.pinned && sameQuestion(this.#state.pinned, pinned)) return;
    this.#events.onChange({ ...this.#state, pinned });
  }

  #open(pinned: State): Pinned {
    if (this.#view) return this.#view;
    this.#view = new Pinned(this.#root, pinned, this.#events.cursor, {
      onSwap: () => this.#events.onChange(swap(this.#state)),
      onStop: () => {
        this.#events.onChange({ ...this.#state, pinned: null });
        // Its own button is gone.
        this.#pin.focus();
      },
      onCancel: () => this.#session.cancel(),
      onRetry: () => this.#session.retry(),
    });
    if (this.#drawing) this.#view.setDrawing(this.#drawing);
    this.#view.setCell(this.#cell);
    return this.#view;
  }

  #close(): void {
    this.#view = null;
    this.#root.hidden = true;
    this.#root.replaceChildren();
  }

  /** The last numbers of A, unless they are of another head. */
  #showA(): void {
    const [summary, state] = this.#summary ?? [null, null];
    const fits = state && sameHead(state, this.#state);
    this.#view?.showA(fits ? { question: questionOf(state), summary } : null);
  }

  #showWords(): void {
    const text = this.#view ? "Pinned as B, below the maps. The settings are A now." : "";
    // The same words again would be spoken again.
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#goTo.hidden = !this.#view;
    this.#goTo.textContent = this.#view?.headline || "Go to the comparison";
  }
}
