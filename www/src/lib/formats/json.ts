import { countOf, type Tensor } from "../tensor.ts";

export interface JsonHead {
  tensors: Map<string, Tensor>;
  causal?: boolean;
  scale?: number;
}

/** Deeper nesting is no shape that a head can have. */
const MAX_RANK = 4;

/**
 * Reads an object with q, k and v, each nested arrays or `{ shape, data }`, and perhaps `causal` and `scale`. Throws an
 * `Error` that says what is wrong.
 */
export function parseJson(text: string, wanted: (name: string) => boolean): JsonHead {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Error(`json: this is not JSON (${(error as Error).message})`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new Error("json: expected an object with q and k");
  }
  const { causal, scale } = content as Record<string, unknown>;
  if (causal !== undefined && typeof causal !== "boolean")
    throw new Error("json: causal must be true or false");
  if (scale !== undefined && typeof scale !== "number") throw new Error("json: scale must be a number");
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of Object.entries(content)) {
    if (wanted(name)) tensors.set(name, Array.isArray(value) ? nested(name, value) : flat(name, value));
  }
  return { tensors, ...(causal === undefined ? {} : { causal }), ...(scale === undefined ? {} : { scale }) };
}

function flat(name: string, value: unknown): Tensor {
  const { shape, data } = Object(value) as Record<string, unknown>;
  const sizes = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!sizes || !Array.isArray(data))
    throw new Error(`json: ${name} is neither nested arrays nor { shape, data }`);
  if (countOf(shape) !== data.length) {
    throw new Error(`json: ${name} has shape [${shape.join(", ")}], but ${data.length} numbers`);
  }
  const out = new Float32Array(data.length);
  fill(name, data, out, 0);
  return { shape, data: out };
}

/** The shape is that of the first rows; all others must have the same. */
function nested(name: string, value: unknown[]): Tensor {
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) {
    if (shape.length === MAX_RANK) throw new Error(`json: ${name} is nested deeper than ${MAX_RANK} levels`);
    shape.push(level.length);
  }
  let rows: unknown[] = [value];
  for (const [axis, size] of shape.entries()) {
    const odd = rows.find((row) => !Array.isArray(row) || row.length !== size);
    if (odd !== undefined) {
      const length = Array.isArray(odd) ? `${odd.length} entries` : "no entries";
      throw new Error(`json: ${name} has a row of ${length} where others have ${size}`);
    }
    if (axis < shape.length - 1) rows = rows.flat();
  }
  const data = new Float32Array(countOf(shape));
  let at = 0;
  for (const row of rows as unknown[][]) at = fill(name, row, data, at);
  return { shape, data };
}

/** Writes one row; the place after it is returned. */
function fill(name: string, row: readonly unknown[], out: Float32Array, from: number): number {
  row.forEach((value, i) => {
    if (typeof value !== "number") {
      throw new Error(
        `json: ${name} holds ${String(JSON.stringify(value)).slice(0, 20)} where a number should be`,
      );
    }
    out[from + i] = value;
  });
  return from + row.length;
}
