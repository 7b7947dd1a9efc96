/**
 * What went wrong, for programs:
 *
 * - `InvalidShape`: a size, or a tensor whose length does not follow from the sizes.
 * - `InvalidOption`: an option that is unknown, of the wrong type, out of range or at odds with another one.
 * - `InvalidInput`: `q`, `k`, `v` or `matrix` is not a Float32Array that can be read.
 * - `NonFinite`: NaN or an infinity in one of them; the message names the index.
 * - `OutOfMemory`: the tab, the 4 GiB that WebAssembly can address, or the GPU is too small for the call.
 * - `Unsupported`: a combination that cannot be done without breaking a promise, or that is not there yet.
 * - `NoDevice`: there is no WebGPU here, no adapter, none that gives a device with WebGPU's default limits, or none that
 *   computes rightly.
 * - `DeviceLost`: the GPU went away during the call, by a fault of its driver for example. The next call looks for it anew.
 * - `DeviceFailed`: the GPU refused what it was asked to do.
 * - `Aborted`: the call's `signal` was aborted; `cause` is the signal's reason.
 * - `Disposed`: `dispose()` was called before or during the call.
 * - `LoadFailed`: the WebAssembly module could not be fetched, compiled or started.
 * - `Internal`: a bug in this package. The instance restarts itself; calls that were in flight fail as well.
 */
export type ErrorCode =
  | "InvalidShape"
  | "InvalidOption"
  | "InvalidInput"
  | "NonFinite"
  | "OutOfMemory"
  | "Unsupported"
  | "NoDevice"
  | "DeviceLost"
  | "DeviceFailed"
  | "Aborted"
  | "Disposed"
  | "LoadFailed"
  | "Internal";

/** Every failure of this package. The message names the argument, its value and what was expected. */
export class ScatterbrainError extends Error {
  /** Stable: test this, not the message. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ScatterbrainError";
    this.code = code;
  }
}

/** Does what needs memory for `what`. */
export function withMemory<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ScatterbrainError("OutOfMemory", `Not enough memory for ${what}`, { cause: error });
  }
}

/** A value as an error message shows it, in the words of the errors that come out of the module. */
export function describe(value: unknown): string {
  if (typeof value === "string") return value.length > 40 ? `"${value.slice(0, 40)}…"` : `"${value}"`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return "an array";
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (tag === "Object") return "an object";
  return /^[AEIO]/.test(tag) ? `an ${tag}` : `a ${tag}`;
}

/** The error for an option with a value it cannot have. */
export function unexpected(
  code: ErrorCode,
  name: string,
  value: string,
  expected: string,
): ScatterbrainError {
  return new ScatterbrainError(code, `Unexpected ${name}: ${value}, expected ${expected}`);
}
