/** What is said between the thread that calls and its workers. */
import type { ErrorCode } from "./errors.js";
import type { AttentionResult } from "./results.js";

/** A part of an attention call: the tensors hold what it reads, the options are the whole call's. */
export interface PartCall {
  q: Float32Array<ArrayBuffer>;
  k: Float32Array<ArrayBuffer>;
  v: Float32Array<ArrayBuffer>;
  options: Record<string, unknown>;
  /** Of `count` parts. */
  index: number;
  count: number;
}

/** What the module gives for a call or a part of one. */
export interface PartResult extends AttentionResult {
  /** Judged by all rows together, of which `stats.features` is the mean; 0 without landmarks. */
  clusters: number;
}

/** To a worker. Each `start` and each `part` is answered by one `result` or `failure` with its id. */
export type Order =
  | { kind: "start"; id: number; module: WebAssembly.Module }
  | { kind: "part"; id: number; call: PartCall }
  | { kind: "cancel"; id: number };

/** From a worker. */
export type Report =
  | { kind: "progress"; id: number; fraction: number }
  | { kind: "result"; id: number; result: PartResult | undefined }
  | { kind: "failure"; id: number; code: ErrorCode; message: string };
