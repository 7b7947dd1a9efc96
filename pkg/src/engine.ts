/**
 * The one WebAssembly instance of this realm. The glue that wasm-bindgen writes keeps it in a module-level
 * variable, so all that `load` returns shares it. A trap, or a JavaScript exception that crosses WebAssembly
 * frames, leaves it with a wrong stack and leaked memory: then a fresh one takes its place, and the jobs of the
 * old one are lost.
 */
import { type ErrorCode, ScatterbrainError } from "./errors.js";
import type { Call } from "./inputs.js";
import { nextTurn } from "./turns.js";
import init, { instructionSet, Job, restart } from "./wasm/scatterbrain.js";

let running: Promise<void> | undefined;
let generation = 0;
/** The instance must be replaced before it is used again. */
let damaged = false;
let users = 0;

/** Starts the module that `compile` gives, unless one is running. A failed start leaves everything as it was. */
export async function start(compile: () => Promise<WebAssembly.Module>): Promise<void> {
  // Somebody else's failure is not this caller's.
  await running?.catch(() => {});
  running ??= compile().then(instantiate);
  const mine = running;
  try {
    await mine;
  } catch (error) {
    if (running === mine) running = undefined;
    throw error;
  }
}

async function instantiate(module: WebAssembly.Module): Promise<void> {
  await init({ module_or_path: module });
}

/** Whether this is our module: the glue would keep an instance of any other one for good. */
export function isOurs(module: WebAssembly.Module): boolean {
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  return ["__wbindgen_start", "job_step", "instructionSet"].every((name) => names.includes(name));
}

/** The vector instructions the module was compiled with. */
export function readInstructionSet(): string {
  return guarded(instructionSet);
}

/** Counts one more user of the instance. */
export function enter(): void {
  users += 1;
}

/** The last one to leave has the memory handed back: WebAssembly memory grows, but never shrinks. */
export async function leave(): Promise<void> {
  users -= 1;
  await nextTurn();
  if (users === 0) tryRenew();
}

export type JobKind = "attention" | "decompose" | "sweep";

/** A job inside the module, and whether its instance is still the current one. */
export class Task {
  readonly #job: Job;
  readonly #generation: number;

  /** Copies the tensors into the module. */
  constructor(kind: JobKind, { q, k, v, options }: Call) {
    this.#job = guarded(() => Job[kind](q, k, v, options));
    this.#generation = generation;
  }

  /** Works for about so long; gives the fraction that is done. */
  step(milliseconds: number): number {
    this.#checkInstance();
    return guarded(() => this.#job.step(milliseconds));
  }

  finish(): unknown {
    this.#checkInstance();
    return guarded(() => this.#job.finish());
  }

  free(): void {
    if (this.#generation === generation) guarded(() => this.#job.free());
  }

  #checkInstance(): void {
    if (this.#generation === generation) return;
    throw new ScatterbrainError(
      "Internal",
      "This call was lost when another one failed and the module was restarted",
    );
  }
}

function guarded<T>(work: () => T): T {
  if (damaged && !tryRenew()) {
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
    tryRenew();
    const message = error instanceof Error ? error.message : String(error);
    throw new ScatterbrainError("Internal", `The module failed: ${message}`, { cause: error });
  }
}

function tryRenew(): boolean {
  damaged = true;
  generation += 1;
  try {
    restart();
    // The restart happens at the next call into the module. Be it one that passes nothing in.
    instructionSet();
    damaged = false;
  } catch {
    // Most likely no memory for a second instance before the first one is collected; the next call tries again.
  }
  return !damaged;
}
