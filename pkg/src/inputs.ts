import { describe, ScatterbrainError, unexpected } from "./errors.js";

/** A call's options, sorted: what JavaScript keeps, and what the module gets to see. */
export interface Call {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  signal: AbortSignal | undefined;
  onProgress: ((fraction: number) => void) | undefined;
  /** Everything else, for the module to check. */
  options: Record<string, unknown>;
}

/** Checks what only JavaScript can check. */
export function readCall(given: unknown): Call {
  const { q, k, v, signal, onProgress, ...options } = readObject("options", given);
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw unexpected("InvalidOption", "signal", describe(signal), "an AbortSignal");
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw unexpected("InvalidOption", "onProgress", describe(onProgress), "a function");
  }
  return {
    q: readTensor("q", q),
    k: readTensor("k", k),
    v: readTensor("v", v),
    signal: signal as AbortSignal | undefined,
    onProgress: onProgress as Call["onProgress"],
    options,
  };
}

export function readObject(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    throw unexpected("InvalidOption", name, describe(value), "an object");
  }
  return value as Record<string, unknown>;
}

// The getter that all typed arrays inherit: it works across realms, where instanceof fails, and cannot be faked.
const typedArrayKind = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;

function readTensor(name: string, value: unknown): Float32Array {
  const kind = typedArrayKind.call(value);
  if (kind !== "Float32Array") {
    const convertible = kind !== undefined || Array.isArray(value);
    const expected = convertible ? `a Float32Array: new Float32Array(${name})` : "a Float32Array";
    throw unexpected("InvalidInput", name, describe(value), expected);
  }
  const tensor = value as Float32Array;
  const { buffer } = tensor;
  if (Object.prototype.toString.call(buffer) === "[object SharedArrayBuffer]") {
    const what = "a Float32Array on a SharedArrayBuffer, which may change under way";
    throw unexpected("InvalidInput", name, what, `a copy: new Float32Array(${name})`);
  }
  if (tensor.length === 0 && isDetached(buffer)) {
    const what = "a detached Float32Array, whose buffer was transferred away";
    throw unexpected("InvalidInput", name, what, "a Float32Array that still has its data");
  }
  return tensor;
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

// By its shape, since a signal may come from another realm or a polyfill.
function isAbortSignal(value: unknown): value is AbortSignal {
  return typeof value === "object" && value !== null && typeof (value as AbortSignal).aborted === "boolean";
}

/** Rejects the call of an aborted signal. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new ScatterbrainError("Aborted", "The call was aborted", { cause: signal.reason });
}
