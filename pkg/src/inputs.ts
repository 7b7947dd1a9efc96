import { describe, ScatterbrainError, unexpected, withMemory } from "./errors.js";

/** The largest size that the module takes. */
const MAX_SIZE = 2 ** 30;

/** What JavaScript keeps of a call. */
export interface Watch {
  signal: AbortSignal | undefined;
  onProgress: ((fraction: number) => void) | undefined;
}

/** A call's options, sorted: what JavaScript keeps, and what the module gets to see. */
export interface Call extends Watch {
  q: Float32Array;
  k: Float32Array;
  v: Float32Array;
  /** Everything else, for the module to check. */
  options: Record<string, unknown>;
}

/** As `Call`, for robust PCA: of a matrix, or of a head. */
export type RobustPcaCall = Watch & { options: Record<string, unknown> } & (
    | { matrix: Float32Array; rows: number; columns: number }
    | { q: Float32Array; k: Float32Array }
  );

/** Checks what only JavaScript can check. */
export function readCall(given: unknown): Call {
  const { q, k, v, signal, onProgress, ...options } = readObject("options", given);
  return {
    ...readWatch(signal, onProgress),
    q: readTensor("q", q),
    k: readTensor("k", k),
    v: readTensor("v", v),
    options,
  };
}

/** As `readCall`, for robust PCA. */
export function readRobustPcaCall(given: unknown): RobustPcaCall {
  const { matrix, rows, columns, q, k, signal, onProgress, ...options } = readObject("options", given);
  const rest = { ...readWatch(signal, onProgress), options };
  if (matrix !== undefined) {
    refuse({ q, k }, "nothing beside matrix: give a matrix, or q and k");
    return {
      ...rest,
      matrix: readTensor("matrix", matrix),
      rows: readSize("rows", rows),
      columns: readSize("columns", columns),
    };
  }
  if (q === undefined && k === undefined) {
    throw unexpected("InvalidInput", "matrix", "undefined", "a Float32Array, or q and k instead");
  }
  refuse({ rows, columns }, "nothing beside q and k, whose sizes are in shape");
  return { ...rest, q: readTensor("q", q), k: readTensor("k", k) };
}

/** From which row to before which, or to the last. */
export function readRows(rows: unknown, shape: unknown): readonly [start: number, end: number] {
  if (rows === undefined) return [0, MAX_SIZE];
  if (!Array.isArray(rows) || rows.length !== 2) {
    throw unexpected("InvalidOption", "rows", describe(rows), "an array of two whole numbers, [start, end]");
  }
  for (const [i, row] of rows.entries()) {
    if (Number.isInteger(row) && 0 <= row && row <= MAX_SIZE) continue;
    throw unexpected("InvalidOption", `rows[${i}]`, describe(row), `a whole number from 0 to ${MAX_SIZE}`);
  }
  const [start, end] = rows as [number, number];
  // Of a shape that makes no sense the module will say so.
  const { queries } = Object(shape) as { queries?: unknown };
  const count = Number.isInteger(queries) ? (queries as number) : MAX_SIZE;
  if (start < end && end <= count) return [start, end];
  throw unexpected(
    "InvalidOption",
    "rows",
    `[${start}, ${end}]`,
    `[start, end], 0 <= start < end <= ${count}`,
  );
}

/** A copy that does not change with what the caller holds. */
export function copiedCall({ q, k, v, options, ...watch }: Call): Call {
  return withMemory("a copy of the tensors", () => {
    return { ...watch, q: q.slice(), k: k.slice(), v: v.slice(), options: copiedOptions(options) };
  });
}

/** As `copiedCall`, for robust PCA. */
export function copiedRobustPcaCall(call: RobustPcaCall): RobustPcaCall {
  const options = copiedOptions(call.options);
  return "matrix" in call
    ? { ...call, matrix: call.matrix.slice(), options }
    : { ...call, q: call.q.slice(), k: call.k.slice(), options };
}

/**
 * A copy that does not change with what the caller holds, and that can be sent to a worker: a framework's proxies cannot.
 * As deep as options go, and no deeper.
 */
export function copiedOptions(options: object): Record<string, unknown> {
  return mapped(options, (value) => {
    const isList = Array.isArray(value) || typedArrayKind.call(value) !== undefined;
    return typeof value === "object" && value !== null && !isList
      ? mapped(value, copiedList)
      : copiedList(value);
  });
}

function mapped(object: object, change: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

function copiedList(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice();
  return typedArrayKind.call(value) === undefined ? value : (value as Uint32Array).slice();
}

function readWatch(signal: unknown, onProgress: unknown): Watch {
  if (signal !== undefined && !isAbortSignal(signal)) {
    throw unexpected("InvalidOption", "signal", describe(signal), "an AbortSignal");
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw unexpected("InvalidOption", "onProgress", describe(onProgress), "a function");
  }
  return { signal, onProgress: onProgress as Watch["onProgress"] };
}

function refuse(values: Record<string, unknown>, expected: string): void {
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) throw unexpected("InvalidOption", name, describe(value), expected);
  }
}

function readSize(name: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > MAX_SIZE) {
    throw unexpected("InvalidShape", name, describe(value), `a whole number from 1 to ${MAX_SIZE}`);
  }
  return value as number;
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
