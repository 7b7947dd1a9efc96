import { enter, type JobKind, leave, readInstructionSet, Task } from "./engine.js";
import { ScatterbrainError } from "./errors.js";
import { checkSignal, readCall } from "./inputs.js";
import type { AttentionOptions, DecomposeOptions, SweepOptions } from "./options.js";
import type { AttentionResult, Decomposition, SweepPoint } from "./results.js";
import { nextTurn } from "./turns.js";

/** How long one slice of work may hold the thread, in milliseconds: short enough for a smooth page. */
const SLICE = 12;

/**
 * What `load` gives. Calls run in slices on the thread they were made on and let the event loop run in between;
 * several may be in flight at once. Options and tensors are read when a call starts: changing them afterwards
 * changes nothing.
 */
export class Scatterbrain {
  /** Where calls are computed. */
  readonly backend = "wasm";
  /** Vector instructions of the module: `"simd128"`, or `"scalar"` if it was built without. */
  readonly instructionSet: string = readInstructionSet();
  #disposed = false;

  constructor() {
    enter();
  }

  /** Attention of all heads. Rejects with a `ScatterbrainError`. */
  attention(options: AttentionOptions): Promise<AttentionResult> {
    return this.#run("attention", options) as Promise<AttentionResult>;
  }

  /** The attention matrix of one head beside its estimate; batch and heads must be 1. */
  decompose(options: DecomposeOptions): Promise<Decomposition> {
    return this.#run("decompose", options) as Promise<Decomposition>;
  }

  /** Errors and entropy over a range of temperatures, in the order given. */
  sweep(options: SweepOptions): Promise<SweepPoint[]> {
    return this.#run("sweep", options) as Promise<SweepPoint[]>;
  }

  /**
   * Ends this object's life: calls in flight and later ones reject with code `Disposed`. Memory is handed back
   * when nothing else that `load` gave is in use. A second call does nothing.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    void leave();
  }

  async #run(kind: JobKind, options: unknown): Promise<unknown> {
    this.#checkAlive();
    const call = readCall(options);
    checkSignal(call.signal);
    const task = new Task(kind, call);
    try {
      for (let done = 0; done < 1; ) {
        await nextTurn();
        this.#checkAlive();
        checkSignal(call.signal);
        done = Math.max(done, task.step(SLICE));
        call.onProgress?.(done);
      }
      this.#checkAlive();
      checkSignal(call.signal);
      return task.finish();
    } finally {
      task.free();
    }
  }

  #checkAlive(): void {
    if (this.#disposed)
      throw new ScatterbrainError("Disposed", "This Scatterbrain was disposed of; load a new one");
  }
}
