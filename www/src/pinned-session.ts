import { pinnedState } from "./lib/pin.ts";
import { questionOf } from "./lib/request.ts";
import type { Look, Picture, PictureSource, Summary } from "./lib/results.ts";
import { pictureKey, type State } from "./lib/state.ts";
import { type PartEvents, PictureParts, sourceOf } from "./picture-parts.ts";
import { summarize } from "./worker/analyse.ts";
import type { EngineClient, EngineError } from "./worker/client.ts";

export interface PinnedEvents extends PartEvents {
  /** What the maps show of a head. */
  look(): Look;
  /** What is on the screen belongs to another pin or another head; the new picture follows. */
  onStale(): void;
  onProgress(fraction: number): void;
  onPicture(picture: Picture, state: State, source: PictureSource): void;
  /** Comes a moment after its picture. */
  onSummary(summary: Summary): void;
  /** It was cancelled, or failed: nothing more comes before `retry`. */
  onStopped(message: string): void;
}

interface Wanted {
  key: string;
  state: State;
  picture: Picture | null;
  /** Nothing more is to be done: all is there, or the reader or an error has ended it. */
  over: boolean;
}

/** A drag asks for one picture after the other; what is pinned waits until the last one has been there so long. */
const REST_MS = 120;

/**
 * Computes the picture of what is pinned, once for each pin and head: the settings may change as they like. The
 * settings' own pictures go first, on the same worker.
 */
export class PinnedSession {
  readonly #client: EngineClient;
  readonly #parts: PictureParts;
  readonly #events: PinnedEvents;
  #wanted: Wanted | null = null;
  #controller: AbortController | null = null;
  #held = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: EngineClient, events: PinnedEvents) {
    this.#client = client;
    this.#events = events;
    this.#parts = new PictureParts(client, events);
  }

  update(state: State): void {
    const pinned = pinnedState(state);
    const key = pinned && pictureKey(pinned);
    if (key === (this.#wanted?.key ?? null)) return;
    this.#controller?.abort();
    this.#wanted = pinned && { key: pictureKey(pinned), state: pinned, picture: null, over: false };
    if (!pinned) return;
    this.#events.onStale();
    this.#startSoon();
  }

  /** A picture of the settings is being computed. */
  hold(): void {
    this.#held = true;
    clearTimeout(this.#timer);
    this.#controller?.abort();
  }

  release(): void {
    this.#held = false;
    this.#startSoon();
  }

  retry(): void {
    if (this.#wanted) Object.assign(this.#wanted, { picture: null, over: false });
    this.#startSoon();
  }

  /** Ends the picture that is computed, or the file that is written. */
  cancel(): void {
    this.#parts.cancel();
    if (this.#wanted && !this.#wanted.over) this.#stop(this.#wanted, "Cancelled.");
    clearTimeout(this.#timer);
    this.#controller?.abort();
  }

  #stop(wanted: Wanted, message: string): void {
    wanted.over = true;
    this.#events.onStopped(message);
  }

  #startSoon(): void {
    clearTimeout(this.#timer);
    if (this.#held || !this.#wanted || this.#wanted.over) return;
    this.#timer = setTimeout(() => void this.#run(), REST_MS);
  }

  async #run(): Promise<void> {
    const wanted = this.#wanted;
    if (!wanted) return;
    const controller = new AbortController();
    this.#controller = controller;
    const { signal } = controller;
    const { state } = wanted;
    const [source, question] = [sourceOf(state), questionOf(state)];
    const progress = (_: unknown, fraction: number) => {
      if (!signal.aborted) this.#events.onProgress(fraction);
    };
    try {
      const look = this.#events.look();
      const picture =
        wanted.picture ?? (await this.#client.picture(source, question, look, signal, progress));
      if (wanted !== this.#wanted || wanted.over) return;
      if (!wanted.picture) {
        wanted.picture = picture;
        this.#events.onPicture(picture, state, this.#parts.of(state));
      }
      const { point, timing } = await this.#client.measure(source, question, signal, () => {});
      if (signal.aborted) return;
      wanted.over = true;
      this.#events.onSummary(summarize(picture, point, timing, question));
    } catch (error) {
      // Aborted for the settings' own picture, or for another pin: it is asked for again, or not wanted any more.
      if (!signal.aborted) this.#stop(wanted, (error as EngineError).message);
    }
  }
}
