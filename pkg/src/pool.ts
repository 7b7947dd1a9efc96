/** Workers, each with an instance of its own of one compiled module. */
import { ScatterbrainError } from "./errors.js";
import type { Order, PartCall, PartResult, Report } from "./protocol.js";

/** A worker, as every environment has it. */
export interface Thread {
  post: (order: Order, transfer: ArrayBuffer[]) => void;
  /** Whether it has work, for which a process should stay alive. */
  hold: (busy: boolean) => void;
  end: () => void;
}

/** Starts a worker. `died` is told why it will not answer any more. */
export type Spawn = (heard: (report: Report) => void, died: (reason: string) => void) => Thread;

/** What a call wants to know and to decide while its parts are computed. */
export interface Supervision {
  /** Throws once the call should end. */
  check: () => void;
  signal: AbortSignal | undefined;
  onProgress: ((fraction: number) => void) | undefined;
}

export class Pool {
  readonly #module: WebAssembly.Module;
  readonly #spawn: Spawn;
  readonly #members: Member[];

  /** Starts `size` workers. */
  constructor(module: WebAssembly.Module, spawn: Spawn, size: number) {
    this.#module = module;
    this.#spawn = spawn;
    this.#members = Array.from({ length: size }, () => new Member(spawn, module));
  }

  get size(): number {
    return this.#members.length;
  }

  /** Settles when every worker runs, or one cannot. */
  async started(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.started));
  }

  /**
   * Has all `parts` computed, and gives their results in order. If some fail, or the call ends early, the others are
   * cancelled, and of the failures the first one by order is thrown.
   */
  async share(parts: PartCall[], { check, signal, onProgress }: Supervision): Promise<PartResult[]> {
    const jobs: Job[] = [];
    const cancel = () => {
      for (const job of jobs) job.cancel();
    };
    /** What the call is to fail with, whatever becomes of its parts. */
    let ended: { error: unknown } | undefined;
    const attempt = (work: () => void) => {
      if (ended) return;
      try {
        work();
      } catch (error) {
        ended = { error };
        cancel();
      }
    };
    const done = parts.map(() => 0);
    for (const [i, part] of parts.entries()) {
      const hear = (fraction: number) =>
        attempt(() => {
          check();
          done[i] = fraction;
          onProgress?.(done.reduce((sum, x) => sum + x) / done.length);
        });
      jobs.push(this.#idlest().begin(part, hear));
    }
    const abort = () => attempt(check);
    // Some polyfills of signals can only be asked.
    signal?.addEventListener?.("abort", abort);
    try {
      const results = jobs.map(({ result }) =>
        result.catch((error) => {
          cancel();
          throw error;
        }),
      );
      const settled = await Promise.allSettled(results);
      attempt(check);
      if (ended) throw ended.error;
      return settled.map((outcome) => {
        if (outcome.status === "fulfilled") return outcome.value;
        throw firstFailure(settled);
      });
    } finally {
      signal?.removeEventListener?.("abort", abort);
    }
  }

  /** Ends the workers; what they were doing fails with `error`. */
  end(error: ScatterbrainError): void {
    for (const member of this.#members) member.end(error);
  }

  /** Some worker with the least to do. One that died makes way for a new one. */
  #idlest(): Member {
    for (const [i, member] of this.#members.entries()) {
      if (!member.alive) this.#members[i] = new Member(this.#spawn, this.#module);
    }
    return this.#members.reduce((idlest, member) => (member.load < idlest.load ? member : idlest));
  }
}

/** Not one that was cancelled because another one failed. */
function firstFailure(settled: PromiseSettledResult<unknown>[]): unknown {
  const reasons = settled.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason);
  return reasons.find(({ code }) => code !== "Aborted") ?? reasons[0];
}

interface Job {
  result: Promise<PartResult>;
  cancel: () => void;
}

interface Pending {
  resolve: (result: PartResult | undefined) => void;
  reject: (error: ScatterbrainError) => void;
  hear: (fraction: number) => void;
}

/** A worker and what it is asked for. */
class Member {
  alive = true;
  /** Settles when the module runs there, or cannot. */
  readonly started: Promise<unknown>;
  #thread: Thread | undefined;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(spawn: Spawn, module: WebAssembly.Module) {
    try {
      this.#thread = spawn(
        (report) => this.#hear(report),
        (reason) => this.#die(reason),
      );
    } catch (error) {
      this.#die(error instanceof Error ? error.message : String(error));
    }
    this.started = this.#ask(
      (id) => ({ kind: "start", id, module }),
      [],
      () => {},
    );
    // Whoever waits for it hears of a failure; for a worker that replaces another one nobody does.
    this.started.catch(() => {});
  }

  get load(): number {
    return this.#pending.size;
  }

  /** Has a part computed. Its tensors are transferred away. */
  begin(call: PartCall, hear: (fraction: number) => void): Job {
    const tensors = [call.q.buffer, call.k.buffer, call.v.buffer];
    const result = this.#ask((id) => ({ kind: "part", id, call }), tensors, hear) as Promise<PartResult>;
    const id = this.#lastId;
    return { result, cancel: () => this.alive && this.#thread?.post({ kind: "cancel", id }, []) };
  }

  end(error: ScatterbrainError): void {
    this.alive = false;
    this.#thread?.end();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #ask(
    order: (id: number) => Order,
    transfer: ArrayBuffer[],
    hear: Pending["hear"],
  ): Promise<PartResult | undefined> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      if (!this.alive) {
        reject(died("it could not be started"));
        return;
      }
      try {
        this.#thread?.post(order(id), transfer);
      } catch (error) {
        // Most likely no memory for a copy of the options.
        const reason = error instanceof Error ? error.message : String(error);
        reject(new ScatterbrainError("Internal", `A worker could not be asked: ${reason}`, { cause: error }));
        return;
      }
      this.#pending.set(id, { resolve, reject, hear });
      this.#thread?.hold(true);
    });
  }

  #hear(report: Report): void {
    const pending = this.#pending.get(report.id);
    if (pending === undefined) return;
    if (report.kind === "progress") {
      pending.hear(report.fraction);
      return;
    }
    this.#pending.delete(report.id);
    if (this.#pending.size === 0) this.#thread?.hold(false);
    if (report.kind === "result") {
      pending.resolve(report.result);
      return;
    }
    pending.reject(new ScatterbrainError(report.code, report.message));
    // Nobody knows what state it is in.
    if (report.code === "Internal") this.#die("a part that it computed failed");
  }

  #die(reason: string): void {
    if (this.alive) this.end(died(reason));
  }
}

function died(reason: string): ScatterbrainError {
  return new ScatterbrainError("Internal", `A worker is lost: ${reason}`);
}
