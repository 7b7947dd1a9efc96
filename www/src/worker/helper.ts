import { EngineClient, type EngineError } from "./client.ts";
import type { Elsewhere } from "./matrices.ts";

/** Another worker of the same kind, which computes bands at the same time as this one. */
export class Helper {
  readonly #client = new EngineClient(() => new Worker(location.href, { type: "module", name: "helper" }));
  #started = false;
  #ready = false;

  /** Has it get ready, the first time. On a single core two threads would only take turns. */
  start(): void {
    if (this.#started || navigator.hardwareConcurrency < 2) return;
    this.#started = true;
    this.#client.prepare(new AbortController().signal).then(
      () => {
        this.#ready = true;
      },
      () => {},
    );
  }

  /** Null until it is ready, and once it has failed. */
  get elsewhere(): Elsewhere | null {
    if (!this.#ready) return null;
    return async (...request) => {
      try {
        return await this.#client.band(...request);
      } catch (error) {
        if ((error as EngineError).code !== "Aborted") this.#ready = false;
        throw error;
      }
    };
  }
}
