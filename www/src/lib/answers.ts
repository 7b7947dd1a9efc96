import { Latest } from "./latest.ts";

/** A question may go on for so long when a newer one waits. */
const PATIENCE_MS = 100;

export interface AnswersEvents {
  /** There is an answer, or it is late, or it will not come. */
  onChange(): void;
  onError(error: unknown): void;
}

/**
 * The answer to the newest of many questions, each of which takes a moment: what is under a moving cursor, or in a
 * moving view. Questions are plain data.
 */
export class Answers<Question, Answer> {
  readonly #latest = new Latest(PATIENCE_MS);
  readonly #ask: (question: Question, signal: AbortSignal) => Promise<Answer>;
  readonly #grace: number;
  readonly #events: AnswersEvents;
  #known: { key: string; answer: Answer } | null = null;
  /** Without an answer yet, or for good. */
  #asked: { key: string; late: boolean; failed: boolean } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** After `grace` milliseconds an answer is late. */
  constructor(
    ask: (question: Question, signal: AbortSignal) => Promise<Answer>,
    grace: number,
    events: AnswersEvents,
  ) {
    this.#ask = ask;
    this.#grace = grace;
    this.#events = events;
  }

  /** What is known already. */
  tell(question: Question, answer: Answer): void {
    this.#known = { key: JSON.stringify(question), answer };
  }

  /** The answer; null if it is on its way, for which `onChange` is called when it is there. */
  get(question: Question): Answer | null {
    const key = JSON.stringify(question);
    if (this.#known?.key === key) {
      this.#forget();
      return this.#known.answer;
    }
    if (this.#asked?.key === key) return null;
    // A late answer stays late, however often the question changes.
    const asked = { key, late: this.#asked?.late ?? false, failed: false };
    if (!this.#asked) this.#timer = setTimeout(() => this.#callLate(), this.#grace);
    this.#asked = asked;
    this.#latest.run(async (signal) => {
      try {
        const answer = await this.#ask(question, signal);
        if (this.#asked !== asked) return;
        this.#known = { key, answer };
        this.#forget();
      } catch (error) {
        if (this.#asked !== asked) return;
        asked.failed = true;
        asked.late = true;
        this.#events.onError(error);
      }
      this.#events.onChange();
    });
    return null;
  }

  /** An answer is on its way. */
  get waiting(): boolean {
    return this.#asked !== null && !this.#asked.failed;
  }

  /** Whether what was asked for takes longer than a moment, or will not come. */
  get late(): boolean {
    return this.#asked?.late ?? false;
  }

  /** Ends what is on its way, which then is an error. */
  cancel(): void {
    this.#latest.cancel();
  }

  #callLate(): void {
    if (!this.#asked) return;
    this.#asked.late = true;
    this.#events.onChange();
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#asked = null;
  }
}
