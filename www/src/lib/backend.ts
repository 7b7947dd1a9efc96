import { formatMilliseconds, formatNumber } from "./format.ts";

export const BACKENDS = ["wasm", "webgpu"] as const;
/** Where the estimator is timed; the maps always come from WebAssembly. */
export type Backend = (typeof BACKENDS)[number];

/** One call of the estimator where WebGPU was asked for, beside the same in WebAssembly. */
export interface BackendReport {
  ran: Backend;
  /** The adapter's name, where WebGPU ran. */
  adapter?: string;
  /** Why it did not. */
  fallback?: string;
  /** From call to output. */
  milliseconds: number;
  wasmMilliseconds: number;
  /** |O − O′| / |O′| in the Frobenius norm, O′ being WebAssembly's output. */
  difference: number;
}

/** The report in a sentence or three. */
export function backendSentence(report: BackendReport): string {
  const wasm = formatMilliseconds(report.wasmMilliseconds);
  if (report.ran === "wasm") {
    const why = (report.fallback ?? "Computed in WebAssembly").replace(/\.$/, "");
    return `${why}. That took ${wasm}.`;
  }
  const where = report.adapter ? `WebGPU (${report.adapter})` : "WebGPU";
  return (
    `It ran on ${where}, in ${formatMilliseconds(report.milliseconds)}; WebAssembly takes ${wasm}. ` +
    `The two outputs differ by ${formatNumber(report.difference)} of their size.`
  );
}
