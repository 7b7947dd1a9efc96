/**
 * The WebAssembly instances of this realm, one for each module. The glue that wasm-bindgen writes keeps an instance in
 * a module-level variable, so all that `load` returns shares it. A trap, or a JavaScript exception that crosses
 * WebAssembly frames, leaves it with a wrong stack and leaked memory: then a fresh one takes its place, and the jobs
 * of the old one are lost.
 */
import { type ErrorCode, ScatterbrainError } from "./errors.js";
import type { Task } from "./task.js";
import { nextTurn } from "./turns.js";

/** What the glue of every module has. */
interface Glue {
  default: (source: { module_or_path: WebAssembly.Module }) => Promise<unknown>;
  instructionSet: () => string;
  restart: () => void;
}

/** Work inside a module. */
interface Job {
  step: (milliseconds: number) => number | Promise<unknown>;
  finish: () => unknown;
  free: () => void;
}

/** One module and its instance. */
export class Engine<G extends Glue> {
  readonly #glue: G;
  readonly #exports: readonly string[];
  #running: Promise<void> | undefined;
  #module: WebAssembly.Module | undefined;
  #generation = 0;
  /** The instance must be replaced before it is used again. */
  #damaged = false;
  #users = 0;
  /** End the waiting for promises of the instance, which will not keep them once it is replaced. */
  readonly #waiting = new Set<() => void>();

  /** `stepName` is an export that no other module has. */
  constructor(glue: G, stepName: string) {
    this.#glue = glue;
    this.#exports = ["__wbindgen_start", "instructionSet", stepName];
  }

  /** Starts the module that `compile` gives, unless one is running. A failed start leaves everything as it was. */
  async start(compile: () => Promise<WebAssembly.Module>): Promise<void> {
    // Somebody else's failure is not this caller's.
    await this.#running?.catch(() => {});
    this.#running ??= compile().then((module) => this.#instantiate(module));
    const mine = this.#running;
    try {
      await mine;
    } catch (error) {
      if (this.#running === mine) this.#running = undefined;
      throw error;
    }
  }

  async #instantiate(module: WebAssembly.Module): Promise<void> {
    await this.#glue.default({ module_or_path: module });
    this.#module = module;
  }

  /** What runs, compiled: other threads can have instances of their own of it. */
  get module(): WebAssembly.Module {
    if (this.#module === undefined) throw new Error("no module was started");
    return this.#module;
  }

  /** Whether this is our module: the glue would keep an instance of any other one for good. */
  isOurs(module: WebAssembly.Module): boolean {
    const names = WebAssembly.Module.exports(module).map(({ name }) => name);
    return this.#exports.every((name) => names.includes(name));
  }

  /** Asks the module something that it answers at once. */
  ask<T>(question: (glue: G) => T): T {
    return this.#guarded(() => question(this.#glue));
  }

  /** Changes when another instance takes the place of the one that runs: what belongs to that is lost. */
  get generation(): number {
    return this.#generation;
  }

  /** Counts one more user of the instance. */
  enter(): void {
    this.#users += 1;
  }

  /** The last one to leave has the memory handed back: WebAssembly memory grows, but never shrinks. */
  async leave(): Promise<void> {
    this.#users -= 1;
    await nextTurn();
    if (this.#users === 0) this.#tryRenew();
  }

  /** A job that `make` makes from the glue; tensors are copied into the module. */
  task(make: (glue: G) => Job): Task {
    const job = this.#guarded(() => make(this.#glue));
    const generation = this.#generation;
    const onInstance = <T>(work: () => T): T => {
      if (generation === this.#generation) return this.#guarded(work);
      throw new ScatterbrainError(
        "Internal",
        "This call was lost when another one failed and the module was restarted",
      );
    };
    return {
      step: (milliseconds) => {
        const step = onInstance(() => job.step(milliseconds));
        return typeof step === "number" ? step : this.#settled(step);
      },
      finish: () => onInstance(() => job.finish()),
      free: () => {
        if (generation === this.#generation) this.#guarded(() => job.free());
      },
    };
  }

  /** Ends with `promise`, or with the instance. */
  #settled(promise: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#waiting.delete(end);
        resolve();
      };
      this.#waiting.add(end);
      promise.then(end, end);
    });
  }

  #guarded<T>(work: () => T): T {
    if (this.#damaged && !this.#tryRenew()) {
      throw new ScatterbrainError(
        "Internal",
        "The module failed and could not be restarted; load it in a new realm",
      );
    }
    try {
      return work();
    } catch (error) {
      // The module's own errors are made with a code. They come with everything in order.
      if (error instanceof Error && "code" in error) {
        throw new ScatterbrainError(error.code as ErrorCode, error.message);
      }
      this.#tryRenew();
      const message = error instanceof Error ? error.message : String(error);
      throw new ScatterbrainError("Internal", `The module failed: ${message}`, { cause: error });
    }
  }

  #tryRenew(): boolean {
    this.#damaged = true;
    this.#generation += 1;
    try {
      this.#glue.restart();
      // The restart happens at the next call into the module. Be it one that passes nothing in.
      this.#glue.instructionSet();
      this.#damaged = false;
      for (const end of this.#waiting) end();
    } catch {
      // Most likely no memory for a second instance before the first one is collected; the next call tries again.
    }
    return !this.#damaged;
  }
}
