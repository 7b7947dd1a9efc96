import { decodeFloat16 } from "./float16.ts";
import { countOf, type Tensor } from "./tensor.ts";

export interface Safetensors {
  metadata: Map<string, string>;
  tensors: Map<string, Tensor>;
}

const TYPES = new Map<string, { bytes: number; decode: (raw: ArrayBuffer) => Float32Array<ArrayBuffer> }>([
  ["F16", { bytes: 2, decode: (raw) => decodeFloat16(new Uint16Array(raw)) }],
  ["BF16", { bytes: 2, decode: (raw) => decodeBfloat16(new Uint16Array(raw)) }],
  ["F32", { bytes: 4, decode: (raw) => new Float32Array(raw) }],
  ["F64", { bytes: 8, decode: (raw) => Float32Array.from(new Float64Array(raw)) }],
]);
const LENGTH_BYTES = 8;

/**
 * Reads a safetensors file: eight bytes of header length (little endian), a JSON header, then the data.
 * Float types only, of tensors with a wanted name. Throws an `Error` that says what is wrong with the file:
 * a truncated download must not turn into a strange picture.
 */
export function parseSafetensors(
  buffer: ArrayBuffer,
  wanted: (name: string) => boolean = () => true,
): Safetensors {
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
      for (const [key, value] of Object.entries(Object(entry))) metadata.set(key, String(value));
    } else if (wanted(name)) {
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
  const type = TYPES.get(String(dtype));
  if (!type) {
    throw new Error(
      `safetensors: tensor ${name} is ${dtype}, expected one of ${[...TYPES.keys()].join(", ")}`,
    );
  }
  if (!isSizes(shape)) throw new Error(`safetensors: tensor ${name} has no valid shape`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw new Error(`safetensors: tensor ${name} has no valid offsets`);
  }
  const [begin, end] = offsets as [number, number];
  const needed = countOf(shape) * type.bytes;
  if (end - begin !== needed) {
    throw new Error(`safetensors: tensor ${name} needs ${needed} bytes and has ${end - begin}`);
  }
  if (dataStart + end > buffer.byteLength) throw new Error(`safetensors: tensor ${name} is cut off`);
  // A copy, because the data need not be aligned in the file.
  return { shape, data: type.decode(buffer.slice(dataStart + begin, dataStart + end)) };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** The upper half of a single. */
function decodeBfloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}
