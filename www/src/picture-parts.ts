import { headUrl } from "./head-files.ts";
import { CLUSTERS_ID } from "./lib/presets.ts";
import { questionOf } from "./lib/request.ts";
import type { PictureSource } from "./lib/results.ts";
import { ownHead, type State } from "./lib/state.ts";
import type { EngineClient } from "./worker/client.ts";
import type { HeadSource, Progress } from "./worker/protocol.ts";

export interface PartEvents {
  /** How much is done of what was asked about a picture. */
  onPart(what: string, fraction: number): void;
  onPartEnd(): void;
}

/** Asks the worker for more of pictures than they hold, and for files of them. */
export class PictureParts {
  readonly #client: EngineClient;
  readonly #events: PartEvents;
  #writing = new AbortController();

  constructor(client: EngineClient, events: PartEvents) {
    this.#client = client;
    this.#events = events;
  }

  of(state: State): PictureSource {
    const head = sourceOf(state);
    const asked = questionOf(state);
    return {
      grids: (region, size, signal) =>
        this.#tell("Computing this part", (onProgress) =>
          this.#client.grids(head, asked, region, size, signal, onProgress),
        ),
      entry: (cell, signal) => this.#client.entry(head, asked, cell, signal),
      write: (format, start, map, region) => {
        this.#writing = new AbortController();
        const { signal } = this.#writing;
        return this.#tell("Writing the numbers", (onProgress) =>
          this.#client.write(head, asked, format, start, map, region, signal, onProgress),
        );
      },
    };
  }

  /** Ends the file that is written. */
  cancel(): void {
    this.#writing.abort();
  }

  async #tell<T>(what: string, work: (onProgress: Progress) => Promise<T>): Promise<T> {
    try {
      return await work((_, fraction) => this.#events.onPart(what, fraction));
    } finally {
      this.#events.onPartEnd();
    }
  }
}

/** Where the worker finds the head of a state. */
export function sourceOf(state: State): HeadSource {
  const own = ownHead(state);
  if (own) {
    const { id, files, head, scale, causal } = own;
    return { kind: "own", id, files, head, scale, causal };
  }
  return state.preset === CLUSTERS_ID
    ? { kind: "clusters", ...state.clusters }
    : { kind: "file", url: headUrl(state.preset) };
}
