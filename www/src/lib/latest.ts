/**
 * Runs one job at a time and remembers only the newest of those that wait: dragging a slider asks for far more
 * pictures than can be computed, and only the last one is wanted.
 *
 * A running job is left to finish when a newer one comes soon after it, or a long drag would abort every picture
 * and show none; after `patience` it is aborted.
 */
export class Latest {
  readonly #patience: number;
  #running: { controller: AbortController; started: number } | null = null;
  #waiting: ((signal: AbortSignal) => Promise<void>) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param patience milliseconds that a job may go on once a newer one waits */
  constructor(patience: number) {
    this.#patience = patience;
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** `job` handles its own errors; it runs now, later, or never if a newer one replaces it. */
  run(job: (signal: AbortSignal) => Promise<void>): void {
    this.#waiting = job;
    if (!this.#running) {
      this.#next();
      return;
    }
    const { controller, started } = this.#running;
    const left = started + this.#patience - performance.now();
    clearTimeout(this.#timer);
    if (left <= 0) controller.abort();
    else this.#timer = setTimeout(() => controller.abort(), left);
  }

  /** Aborts what runs and forgets what waits. */
  cancel(): void {
    this.#waiting = null;
    this.#running?.controller.abort();
  }

  #next(): void {
    clearTimeout(this.#timer);
    const job = this.#waiting;
    this.#waiting = null;
    if (!job) {
      this.#running = null;
      return;
    }
    const controller = new AbortController();
    this.#running = { controller, started: performance.now() };
    job(controller.signal).finally(() => this.#next());
  }
}
