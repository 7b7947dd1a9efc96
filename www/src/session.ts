import type { FigureData, FigureId } from "./figures/figure.ts";
import { headUrl } from "./head-files.ts";
import type { BackendReport } from "./lib/backend.ts";
import { Latest } from "./lib/latest.ts";
import type { OwnFacts } from "./lib/own.ts";
import { SMALL_CAPTURED } from "./lib/presets.ts";
import { questionOf } from "./lib/request.ts";
import type { CurvePoint, Look, Picture, PictureSource, Summary } from "./lib/results.ts";
import { curveKey, pictureKey, type State } from "./lib/state.ts";
import { coarseToFine, curveTemperatures } from "./lib/temperature.ts";
import { type PartEvents, PictureParts, sourceOf } from "./picture-parts.ts";
import { summarize } from "./worker/analyse.ts";
import type { EngineClient, EngineError } from "./worker/client.ts";
import type { OwnFiles, Stage } from "./worker/protocol.ts";

export interface SessionEvents extends PartEvents {
  /** What the maps show of a head. */
  look(): Look;
  onPictureStart(): void;
  onProgress(stage: Stage, fraction: number): void;
  /** `source` tells more of it. */
  onPicture(picture: Picture, state: State, source: PictureSource): void;
  /** Comes a moment after its picture. */
  onSummary(summary: Summary, state: State): void;
  /** Always follows `onPictureStart`. */
  onPictureEnd(): void;
  /** What became of WebGPU, if the state asks for it; null while it is computed, or not asked for. */
  onBackend(report: BackendReport | null, fraction: number): void;
  onBackendError(error: EngineError): void;
  /** `drawn`: the picture is there, and its numbers are not. */
  onCancelled(drawn: boolean): void;
  onError(error: EngineError): void;
  /** The curve on the screen belongs to other settings; `waiting`: the new one follows the picture. */
  onCurveStale(waiting: boolean): void;
  /** Points so far, and how many there will be. */
  onCurve(points: readonly CurvePoint[], total: number, running: boolean): void;
}

/** A computation may go on for so long when a newer picture waits. */
const PATIENCE_MS = 700;
/** The curve starts when the settings have rested for so long. */
const REST_MS = 150;

/**
 * Decides what to compute for a state: the picture at once, the curve when the picture is there. What is not asked
 * for any more is aborted; results that come too late are dropped.
 */
export class Session {
  readonly #client: EngineClient;
  readonly #parts: PictureParts;
  readonly #latest = new Latest(PATIENCE_MS);
  readonly #events: SessionEvents;
  #state: State | null = null;
  #curve: { key: string; points: CurvePoint[]; controller: AbortController | null } | null = null;
  #curveTimer: ReturnType<typeof setTimeout> | undefined;
  #comparison: AbortController | null = null;

  constructor(client: EngineClient, events: SessionEvents) {
    this.#client = client;
    this.#events = events;
    // A picture under way has its own progress.
    this.#parts = new PictureParts(client, {
      onPart: (what, fraction) => {
        if (!this.#latest.busy) events.onPart(what, fraction);
      },
      onPartEnd: () => {
        if (!this.#latest.busy) events.onPartEnd();
      },
    });
  }

  update(state: State): void {
    const previous = this.#state;
    this.#state = state;
    if (!previous || curveKey(previous) !== curveKey(state)) this.#dropCurve(curveKey(state));
    const newPicture = !previous || pictureKey(previous) !== pictureKey(state);
    if (newPicture || previous?.backend !== state.backend) {
      this.#comparison?.abort();
      this.#comparison = null;
      this.#events.onBackend(null, 0);
    }
    if (newPicture) this.#requestPicture(state);
    else if (!this.#latest.busy && !this.#comparison) void this.#compareBackends(state);
  }

  /** What is in a reader's files. Rejects with an `EngineError`. */
  readOwn(own: OwnFiles): Promise<OwnFacts> {
    return this.#client.readOwn(own, new AbortController().signal, () => {});
  }

  /** Asks again for what the current state needs. */
  retry(): void {
    if (this.#state) this.#requestPicture(this.#state);
  }

  /** Ends the picture that is computed, or the file that is written. */
  cancel(): void {
    this.#latest.cancel();
    this.#parts.cancel();
  }

  cancelCurve(): void {
    this.#curve?.controller?.abort();
  }

  resumeCurve(): void {
    void this.#runCurve();
  }

  /** The numbers of a figure; `onUpdate` gets all that is known so far, null for nothing new, and the share done. */
  figure<Id extends FigureId>(
    figure: Id,
    state: State,
    signal: AbortSignal,
    onUpdate: (data: FigureData[Id] | null, fraction: number) => void,
  ): Promise<void> {
    const captured = SMALL_CAPTURED.map(({ id }) => ({
      preset: id,
      source: { kind: "file", url: headUrl(id) } as const,
    }));
    const request = { source: sourceOf(state), question: questionOf(state), captured, cell: state.cell };
    return this.#client.figure(figure, request, signal, onUpdate);
  }

  #requestPicture(state: State): void {
    const wanted = pictureKey(state);
    const isWanted = () => this.#state !== null && pictureKey(this.#state) === wanted;
    this.#latest.run(async (signal) => {
      this.#events.onPictureStart();
      let drawn = false;
      try {
        const { onProgress } = this.#events;
        const asked = questionOf(state);
        const look = this.#events.look();
        const picture = await this.#client.picture(sourceOf(state), asked, look, signal, onProgress);
        this.#events.onPicture(picture, state, this.#parts.of(state));
        drawn = true;
        const { point, timing } = await this.#client.measure(sourceOf(state), asked, signal, onProgress);
        this.#events.onSummary(summarize(picture, point, timing, asked), state);
        void this.#compareBackends(state);
        this.#startCurveSoon();
      } catch (error) {
        const failure = error as EngineError;
        // Aborted for a newer request is no news; aborted by the reader is.
        if (failure.code === "Aborted" && !isWanted()) return;
        if (failure.code === "Aborted") this.#events.onCancelled(drawn);
        else this.#events.onError(failure);
        if (this.#curve?.points.length === 0) this.#events.onCurveStale(false);
      } finally {
        this.#events.onPictureEnd();
      }
    });
  }

  /** After the picture, and never in its way. */
  async #compareBackends(state: State): Promise<void> {
    const current = this.#state;
    if (!current || pictureKey(current) !== pictureKey(state) || current.backend !== "webgpu") return;
    const controller = new AbortController();
    this.#comparison = controller;
    const { signal } = controller;
    let told = false;
    const tell = (report: BackendReport | null, fraction: number) => {
      // Progress may be overtaken by the report on its way between threads.
      if (!signal.aborted && !told) this.#events.onBackend(report, fraction);
      told ||= report !== null;
    };
    try {
      const progress = (_: Stage, fraction: number) => tell(null, fraction);
      tell(await this.#client.compareBackends(sourceOf(state), questionOf(state), signal, progress), 1);
    } catch (error) {
      if (!signal.aborted) this.#events.onBackendError(error as EngineError);
    }
  }

  #dropCurve(key: string): void {
    this.#curve?.controller?.abort();
    clearTimeout(this.#curveTimer);
    this.#curve = { key, points: [], controller: null };
    this.#events.onCurveStale(true);
  }

  #startCurveSoon(): void {
    clearTimeout(this.#curveTimer);
    this.#curveTimer = setTimeout(() => {
      const curve = this.#curve;
      const untouched = curve && curve.points.length === 0 && !curve.controller;
      if (untouched && !this.#latest.busy) void this.#runCurve();
    }, REST_MS);
  }

  /** Computes the points that are missing. */
  async #runCurve(): Promise<void> {
    const curve = this.#curve;
    const state = this.#state;
    if (!curve || !state || (curve.controller && !curve.controller.signal.aborted)) return;
    const controller = new AbortController();
    curve.controller = controller;
    const all = coarseToFine(curveTemperatures());
    const have = new Set(curve.points.map((point) => point.temperature));
    const missing = all.filter((temperature) => !have.has(temperature));
    const tell = (running: boolean) => {
      if (curve === this.#curve) this.#events.onCurve(curve.points, all.length, running);
    };
    tell(true);
    try {
      await this.#client.curve(sourceOf(state), questionOf(state), missing, controller.signal, (point) => {
        curve.points.push(point);
        tell(true);
      });
    } catch (error) {
      const failure = error as EngineError;
      // What cost the picture its worker has been reported already.
      if (failure.code !== "Aborted" && curve === this.#curve && !this.#latest.busy)
        this.#events.onError(failure);
      controller.abort();
    }
    tell(false);
  }
}
