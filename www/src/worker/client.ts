import { proxy, type Remote, releaseProxy, wrap } from "comlink";
import type { FigureData, FigureId, FigureRequest } from "../figures/figure.ts";
import type { BackendReport } from "../lib/backend.ts";
import type { MapFormat } from "../lib/export.ts";
import type { Head } from "../lib/head.ts";
import type { OwnFacts } from "../lib/own.ts";
import type { Region } from "../lib/region.ts";
import type { Question } from "../lib/request.ts";
import type { CurvePoint, Entry, Look, Picture, View } from "../lib/results.ts";
import type { Maps } from "../lib/scale.ts";
import type { Cell } from "../lib/state.ts";
import type { Band } from "./bands.ts";
import type { Engine, Failure, HeadSource, Measures, OwnFiles, Progress } from "./protocol.ts";

/** A call that failed; `code` is the package's, or one of `Failed`, `WorkerLost`, `Silent`. */
export class EngineError extends Error {
  readonly code: string;

  constructor({ code, message }: Failure) {
    super(message);
    this.name = "EngineError";
    this.code = code;
  }
}

/** A worker that says nothing for so long, while something is asked of it, is given up. */
const SILENCE_MS = 30_000;

/**
 * The asking side of a worker. Each call takes an `AbortSignal`. When the worker dies or falls silent every open
 * call rejects, and the next call starts a fresh worker.
 */
export class EngineClient {
  readonly #start: () => Worker;
  #worker: Worker | null = null;
  #remote: Remote<Engine> | null = null;
  #nextId = 1;
  readonly #open = new Set<(error: EngineError) => void>();

  /** `start` starts a worker, each time that one is needed. */
  constructor(start: () => Worker) {
    this.#start = start;
  }

  readOwn(own: OwnFiles, signal: AbortSignal, onProgress: Progress): Promise<OwnFacts> {
    return this.#call(
      (remote, id, alive) => remote.readOwn(id, own, watched(onProgress, alive)) as Promise<OwnFacts>,
      signal,
    );
  }

  picture(
    source: HeadSource,
    question: Question,
    look: Look,
    signal: AbortSignal,
    onProgress: Progress,
  ): Promise<Picture> {
    return this.#call((remote, id, alive) => {
      const progress = watched(onProgress, alive);
      return remote.picture(id, source, question, look, progress) as Promise<Picture>;
    }, signal);
  }

  grids(
    source: HeadSource,
    question: Question,
    region: Region,
    size: number,
    signal: AbortSignal,
    onProgress: Progress,
  ): Promise<View["grids"]> {
    return this.#call((remote, id, alive) => {
      const progress = watched(onProgress, alive);
      return remote.grids(id, source, question, region, size, progress) as Promise<View["grids"]>;
    }, signal);
  }

  entry(source: HeadSource, question: Question, cell: Cell, signal: AbortSignal): Promise<Entry> {
    return this.#call((remote, id) => remote.entry(id, source, question, cell), signal);
  }

  write(
    source: HeadSource,
    question: Question,
    format: MapFormat,
    start: string,
    map: keyof Maps<unknown>,
    region: Region,
    signal: AbortSignal,
    onProgress: Progress,
  ): Promise<Blob> {
    return this.#call(
      (remote, id, alive) =>
        remote.write(id, source, question, format, start, map, region, watched(onProgress, alive)),
      signal,
    );
  }

  measure(
    source: HeadSource,
    question: Question,
    signal: AbortSignal,
    onProgress: Progress,
  ): Promise<Measures> {
    return this.#call(
      (remote, id, alive) => remote.measure(id, source, question, watched(onProgress, alive)),
      signal,
    );
  }

  compareBackends(
    source: HeadSource,
    question: Question,
    signal: AbortSignal,
    onProgress: Progress,
  ): Promise<BackendReport> {
    return this.#call(
      (remote, id, alive) => remote.compareBackends(id, source, question, watched(onProgress, alive)),
      signal,
    );
  }

  curve(
    source: HeadSource,
    question: Question,
    temperatures: number[],
    signal: AbortSignal,
    onPoint: (point: CurvePoint) => void,
  ): Promise<void> {
    return this.#call(
      (remote, id, alive) =>
        remote.curve(
          id,
          source,
          question,
          temperatures,
          proxy((point) => {
            alive();
            // Points that were on their way when the call was cancelled.
            if (!signal.aborted) onPoint(point);
          }),
        ),
      signal,
    );
  }

  figure<Id extends FigureId>(
    figure: Id,
    request: FigureRequest,
    signal: AbortSignal,
    onUpdate: (data: FigureData[Id] | null, fraction: number) => void,
  ): Promise<void> {
    return this.#call((remote, id, alive) => {
      const told = proxy(async (data: FigureData[Id] | null, fraction: number) => {
        alive();
        if (!signal.aborted) onUpdate(data, fraction);
      });
      return (remote as unknown as Engine).figure(id, figure, request, told);
    }, signal);
  }

  prepare(signal: AbortSignal): Promise<void> {
    return this.#call((remote, id) => remote.prepare(id), signal);
  }

  band(head: Head, question: Question, rows: [number, number], signal: AbortSignal): Promise<Band> {
    return this.#call((remote, id) => remote.band(id, head, question, rows) as Promise<Band>, signal);
  }

  async #call<T>(
    start: (remote: Remote<Engine>, id: number, alive: () => void) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const remote = this.#connect();
    const id = this.#nextId++;
    const onAbort = () => void remote.abort(id);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let lost: (error: EngineError) => void = () => {};
    const gone = new Promise<never>((_, reject) => {
      lost = reject;
    });
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const seconds = SILENCE_MS / 1000;
        this.#giveUp({ code: "Silent", message: `The computation has not answered for ${seconds} seconds.` });
      }, SILENCE_MS);
    };
    this.#open.add(lost);
    signal.addEventListener("abort", onAbort);
    alive();
    try {
      return await Promise.race([start(remote, id, alive), gone]);
    } catch (error) {
      throw error instanceof EngineError ? error : new EngineError(asFailure(error));
    } finally {
      clearTimeout(timer);
      this.#open.delete(lost);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #connect(): Remote<Engine> {
    if (this.#remote) return this.#remote;
    const worker = this.#start();
    const lost = (event: Event) => {
      event.preventDefault();
      if (worker !== this.#worker) return;
      const detail = event instanceof ErrorEvent && event.message ? `: ${event.message}` : "";
      this.#giveUp({ code: "WorkerLost", message: `The computing thread stopped${detail}.` });
    };
    worker.addEventListener("error", lost);
    worker.addEventListener("messageerror", lost);
    this.#worker = worker;
    this.#remote = wrap<Engine>(worker);
    return this.#remote;
  }

  #giveUp(failure: Failure): void {
    this.#remote?.[releaseProxy]();
    this.#worker?.terminate();
    this.#worker = null;
    this.#remote = null;
    for (const reject of this.#open) reject(new EngineError(failure));
    this.#open.clear();
  }
}

function watched(onProgress: Progress, alive: () => void): Progress {
  return proxy((stage, fraction) => {
    alive();
    onProgress(stage, fraction);
  });
}

function asFailure(error: unknown): Failure {
  const { code, message } = Object(error) as Partial<Failure>;
  return { code: code ?? "Failed", message: message ?? String(error) };
}
