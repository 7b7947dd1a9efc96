import type { FigureData, FigureId, FigureRequest } from "../figures/figure.ts";
import type { BackendReport } from "../lib/backend.ts";
import type { ClusterParameters } from "../lib/clusters.ts";
import type { MapFormat } from "../lib/export.ts";
import type { Head } from "../lib/head.ts";
import type { OwnFacts, OwnHead } from "../lib/own.ts";
import type { Region } from "../lib/region.ts";
import type { Question } from "../lib/request.ts";
import type { CurvePoint, Entry, Look, Picture, Timing, View } from "../lib/results.ts";
import type { Maps } from "../lib/scale.ts";
import type { Cell } from "../lib/state.ts";
import type { Band } from "./bands.ts";

/** Where a head comes from: a file on the page's own server, the cluster model, or a reader's files. */
export type HeadSource =
  | { kind: "file"; url: string }
  | ({ kind: "clusters" } & ClusterParameters)
  | ({ kind: "own" } & OwnFiles & Pick<OwnHead, "head" | "scale" | "causal">);

/** A reader's files; another `id` for every drop, because files cannot be compared. */
export type OwnFiles = Pick<OwnHead, "id" | "files">;

/** What the page may call in the worker, through comlink. */
export interface Engine {
  /** Reads a reader's files; `id` is the page's own, for `abort`. */
  readOwn(id: number, own: OwnFiles, onProgress: Progress): Promise<OwnFacts>;
  /** `onProgress` gets what is being done and the share done. */
  picture(
    id: number,
    source: HeadSource,
    question: Question,
    look: Look,
    onProgress: Progress,
  ): Promise<Picture>;
  /** A part of a picture, for maps of `size` device pixels a side. */
  grids(
    id: number,
    source: HeadSource,
    question: Question,
    region: Region,
    size: number,
    onProgress: Progress,
  ): Promise<View["grids"]>;
  /** A cell of a picture. */
  entry(id: number, source: HeadSource, question: Question, cell: Cell): Promise<Entry>;
  /** A part of one map as a file, after `start`. */
  write(
    id: number,
    source: HeadSource,
    question: Question,
    format: MapFormat,
    start: string,
    map: keyof Maps<unknown>,
    region: Region,
    onProgress: Progress,
  ): Promise<Blob>;
  /** The numbers that belong to a picture. */
  measure(id: number, source: HeadSource, question: Question, onProgress: Progress): Promise<Measures>;
  /** The estimator once more where WebGPU is, if it is, beside WebAssembly. */
  compareBackends(
    id: number,
    source: HeadSource,
    question: Question,
    onProgress: Progress,
  ): Promise<BackendReport>;
  /** Calls `onPoint` for each temperature, in the order given. */
  curve(
    id: number,
    source: HeadSource,
    question: Question,
    temperatures: number[],
    onPoint: (point: CurvePoint) => void,
  ): Promise<void>;
  /** The numbers of a figure; `onUpdate` gets all that is known so far, null for nothing new, and the share done. */
  figure<Id extends FigureId>(
    id: number,
    figure: Id,
    request: FigureRequest,
    onUpdate: (data: FigureData[Id] | null, fraction: number) => Promise<void>,
  ): Promise<void>;
  /** Loads the package, which then is there for the calls that follow. */
  prepare(id: number): Promise<void>;
  /** Rows of a head's matrices, `rows[0]` to before `rows[1]`. */
  band(id: number, head: Head, question: Question, rows: [number, number]): Promise<Band>;
  /** Ends a call that still runs; it rejects with code `Aborted`. Unknown ids are ignored. */
  abort(id: number): void;
}

export interface Measures {
  point: CurvePoint;
  timing: Timing;
}

export type Stage = "loading" | "computing";
export type Progress = (stage: Stage, fraction: number) => void;

/** Errors lose their class and their `code` on the way between threads, so both travel as plain text. */
export interface Failure {
  code: string;
  message: string;
}
