import { decodeFloat16 } from "./float16.ts";

/** A tensor as 32-bit floats, whatever the file held. */
export interface Tensor {
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

export interface Safetensors {
  metadata: Map<string, string>;
  tensors: Map<string, Tensor>;
}

const BYTES = new Map([
  ["F16", 2],
  ["F32", 4],
]);
const LENGTH_BYTES = 8;

/**
 * Reads a safetensors file: eight bytes of header length (little endian), a JSON header, then the data.
 * Only the two float types that captured heads use. Throws an `Error` that says what is wrong with the file:
 * a truncated download must not turn into a strange picture.
 */
export function parseSafetensors(buffer: ArrayBuffer): Safetensors {
  if (buffer.byteLength < LENGTH_BYTES) throw new Error("safetensors: the file is shorter than its header");
  const headerLength = Number(new DataView(buffer).getBigUint64(0, true));
  const dataStart = LENGTH_BYTES + headerLength;
  if (dataStart > buffer.byteLength) {
    throw new Error(`safetensors: a header of ${headerLength} bytes in a file of ${buffer.byteLength}`);
  }
  const metadata = new Map<string, string>();
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(parseHeader(buffer, headerLength))) {
    if (name === "__metadata__") {
      for (const [key, value] of Object.entries(entry as object)) metadata.set(key, String(value));
    } else {
      tensors.set(name, readTensor(name, entry, buffer, dataStart));
    }
  }
  return { metadata, tensors };
}

function parseHeader(buffer: ArrayBuffer, length: number): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, LENGTH_BYTES, length)));
  } catch {
    throw new Error("safetensors: the header is not JSON");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new Error("safetensors: the header is not an object");
  }
  return header as Record<string, unknown>;
}

function readTensor(name: string, entry: unknown, buffer: ArrayBuffer, dataStart: number): Tensor {
  const { dtype, shape, data_offsets: offsets } = Object(entry) as Record<string, unknown>;
  const bytes = BYTES.get(String(dtype));
  if (bytes === undefined) throw new Error(`safetensors: tensor ${name} is ${dtype}, expected F16 or F32`);
  if (!isSizes(shape)) throw new Error(`safetensors: tensor ${name} has no valid shape`);
  const count = shape.reduce((product, size) => product * size, 1);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw new Error(`safetensors: tensor ${name} has no valid offsets`);
  }
  const [begin, end] = offsets as [number, number];
  if (end - begin !== count * bytes) {
    throw new Error(`safetensors: tensor ${name} needs ${count * bytes} bytes and has ${end - begin}`);
  }
  if (dataStart + end > buffer.byteLength) throw new Error(`safetensors: tensor ${name} is cut off`);
  // A copy, because the data need not be aligned in the file.
  const raw = buffer.slice(dataStart + begin, dataStart + end);
  return { shape, data: dtype === "F16" ? decodeFloat16(new Uint16Array(raw)) : new Float32Array(raw) };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
