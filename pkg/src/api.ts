import { core } from "./core.js";
import { ScatterbrainError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import {
  type Call,
  checkSignal,
  copiedRobustPcaCall,
  readCall,
  readRobustPcaCall,
  readRows,
  type Watch,
} from "./inputs.js";
import type { AttentionOptions, DecomposeOptions, RobustPcaOptions, SweepOptions } from "./options.js";
import { cut, join } from "./parts.js";
import type { Pool } from "./pool.js";
import type { AttentionResult, Decomposition, RobustPcaResult, SweepPoint } from "./results.js";
import { robustPca } from "./robust-pca.js";
import { carryOut, type Task } from "./task.js";

/**
 * What `load` gives. Calls run in slices on the thread they were made on and let the event loop run in between;
 * `attention` runs on workers if `load` was asked for some. Several may be in flight at once. Options and tensors are
 * read when a call starts: changing them afterwards changes nothing.
 */
export class Scatterbrain {
  /** Vector instructions of the module: `"relaxed-simd"` or `"simd128"`, or `"scalar"` if it was built without. */
  readonly instructionSet: string = core.ask((glue) => glue.instructionSet());
  readonly #pool: Pool | undefined;
  readonly #gpu: Gpu | undefined;
  readonly #startRobustPca: () => Promise<void>;
  #usesRobustPca = false;
  #disposed = false;

  /**
   * `startRobustPca` sees to it that the module for robust PCA runs; `gpu` takes over attention, and `pool` what that leaves.
   */
  constructor(startRobustPca: () => Promise<void>, pool: Pool | undefined, gpu: Gpu | undefined) {
    this.#pool = pool;
    this.#gpu = gpu;
    this.#startRobustPca = startRobustPca;
    core.enter();
  }

  /** Where `attention` is computed: `"webgpu"` only while there is a device to be had. */
  get backend(): "wasm" | "webgpu" {
    return this.#gpu === undefined || this.#gpu.failure ? "wasm" : "webgpu";
  }

  /** Attention of all heads. Rejects with a `ScatterbrainError`. */
  async attention(options: AttentionOptions): Promise<AttentionResult> {
    this.#checkAlive();
    const call = readCall(options);
    checkSignal(call.signal);
    if (this.#gpu === undefined) return this.#onWasm(call);
    return this.#gpu.attention(
      call,
      () => this.#check(call.signal),
      (call) => this.#onWasm(call),
    );
  }

  /** The attention matrix of one head, or some of its rows, beside the estimate; batch and heads must be 1. */
  async decompose(options: DecomposeOptions): Promise<Decomposition> {
    this.#checkAlive();
    const call = readCall(options);
    checkSignal(call.signal);
    const { q, k, v } = call;
    const { rows, ...rest } = call.options;
    const [start, end] = readRows(rows, rest.shape);
    const task = core.task(({ Job }) => Job.decompose(q, k, v, rest, start, end));
    return this.#finish(task, call) as Promise<Decomposition>;
  }

  /** Errors and entropy over a range of temperatures, in the order given. */
  async sweep(options: SweepOptions): Promise<SweepPoint[]> {
    this.#checkAlive();
    const call = readCall(options);
    checkSignal(call.signal);
    const onWasm = ({ q, k, v, options }: Call) => core.task(({ Job }) => Job.sweep(q, k, v, options));
    if (this.#gpu !== undefined) return this.#gpu.sweep(call, () => this.#check(call.signal), onWasm);
    return this.#finish(onWasm(call), call) as Promise<SweepPoint[]>;
  }

  /**
   * Splits a matrix, or the attention matrix of one head, into a low-rank and a sparse part by principal component
   * pursuit (Candès et al. 2011, arXiv 0912.3599). The module for it is fetched at the first call. Takes time that grows
   * with rows * columns * min(rows, columns): some 20 seconds for a head of 1,000 tokens.
   */
  async robustPca(options: RobustPcaOptions): Promise<RobustPcaResult> {
    this.#checkAlive();
    let call = readRobustPcaCall(options);
    checkSignal(call.signal);
    if (!this.#usesRobustPca) {
      // What is given may change while the module is on its way.
      call = copiedRobustPcaCall(call);
      await this.#startRobustPca();
      this.#checkAlive();
      checkSignal(call.signal);
      if (!this.#usesRobustPca) robustPca.enter();
      this.#usesRobustPca = true;
    }
    const task = robustPca.task(({ RobustPcaJob }) =>
      "matrix" in call
        ? RobustPcaJob.matrix(call.matrix, call.rows, call.columns, call.options)
        : RobustPcaJob.head(call.q, call.k, call.options),
    );
    return this.#finish(task, call) as Promise<RobustPcaResult>;
  }

  /**
   * Ends this object's life: calls in flight and later ones reject with code `Disposed`. Memory is handed back
   * when nothing else that `load` gave is in use. A second call does nothing.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    void core.leave();
    if (this.#usesRobustPca) void robustPca.leave();
    this.#pool?.end(disposed());
    this.#gpu?.close();
  }

  async #onWasm(call: Call): Promise<AttentionResult> {
    if (this.#pool !== undefined) return this.#share(call, this.#pool);
    const { q, k, v, options: rest } = call;
    const task = core.task(({ Job }) => Job.part(q, k, v, rest, 0, 1));
    const { output, stats } = (await this.#finish(task, call)) as AttentionResult;
    return { output, stats };
  }

  async #share(call: Call, pool: Pool): Promise<AttentionResult> {
    const start = performance.now();
    const { q, signal, onProgress } = call;
    const parts = cut(call, pool.size);
    const rows = q.length / (call.options as unknown as AttentionOptions).shape.dim;
    const results = await pool.share(parts, { check: () => this.#check(signal), signal, onProgress });
    return join(results, rows, performance.now() - start);
  }

  #finish(task: Task, { signal, onProgress }: Watch): Promise<unknown> {
    return carryOut(task, () => this.#check(signal), onProgress);
  }

  #check(signal: AbortSignal | undefined): void {
    this.#checkAlive();
    checkSignal(signal);
  }

  #checkAlive(): void {
    if (this.#disposed) throw disposed();
  }
}

function disposed(): ScatterbrainError {
  return new ScatterbrainError("Disposed", "This Scatterbrain was disposed of; load a new one");
}
