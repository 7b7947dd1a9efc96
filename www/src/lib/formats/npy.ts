import { float16 } from "../float16.ts";
import { countOf, type Tensor } from "../tensor.ts";

type Read = (view: DataView, offset: number, little: boolean) => number;

const READERS = new Map<string, { bytes: number; read: Read }>([
  ["f2", { bytes: 2, read: (view, at, little) => float16(view.getUint16(at, little)) }],
  ["f4", { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) }],
  ["f8", { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) }],
  ["i4", { bytes: 4, read: (view, at, little) => view.getInt32(at, little) }],
  ["i8", { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) }],
]);

const MAGIC = "\x93NUMPY";

/**
 * Reads an array that NumPy saved: the magic, a version, the header's length, a header that is a Python dict, and the
 * data. Throws an `Error` that says what is wrong with the file.
 */
export function parseNpy(bytes: Uint8Array): Tensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  if (text(0, MAGIC.length) !== MAGIC) throw new Error("npy: this is no file of NumPy");
  const [major, lengthBytes] = bytes[6] === 1 ? [1, 2] : [bytes[6], 4];
  const headerStart = 8 + lengthBytes;
  if (bytes.length < headerStart) throw new Error("npy: the file ends within its header");
  if (major === undefined || major < 1 || major > 3) {
    throw new Error(`npy: format version ${major} is not known; 1 to 3 are`);
  }
  const headerLength = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataStart = headerStart + headerLength;
  if (dataStart > bytes.length) {
    throw new Error(`npy: a header of ${headerLength} bytes in a file of ${bytes.length}`);
  }
  const { order, type, fortran, shape } = parseHeader(
    new TextDecoder().decode(bytes.subarray(headerStart, dataStart)),
  );
  const reader = READERS.get(type);
  if (!reader)
    throw new Error(`npy: the type is ${order}${type}, expected one of ${[...READERS.keys()].join(", ")}`);
  const count = countOf(shape);
  const [needed, present] = [count * reader.bytes, bytes.length - dataStart];
  // More is as wrong as less: the header does not belong to the data.
  if (needed !== present) {
    throw new Error(
      `npy: shape [${shape.join(", ")}] of ${type} needs ${needed} bytes of data, the file has ${present}`,
    );
  }
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = reader.read(view, dataStart + i * reader.bytes, order !== ">");
  return { shape, data: fortran ? toRowMajor(data, shape) : data };
}

function parseHeader(text: string) {
  const descr = /'descr':\s*'([<>|=])(\w+)'/.exec(text);
  const fortran = /'fortran_order':\s*(True|False)/.exec(text);
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(text);
  if (!descr) throw new Error("npy: the header names no type of plain numbers");
  if (!fortran || !sizes) throw new Error("npy: the header has no order or no shape");
  const shape = (sizes[1] as string)
    .split(",")
    .filter((size) => size.trim() !== "")
    .map(Number);
  return { order: descr[1] as string, type: descr[2] as string, fortran: fortran[1] === "True", shape };
}

/** From Fortran's order, where the first index moves fastest, to C's. */
function toRowMajor(data: Float32Array, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => countOf(shape.slice(0, axis)));
  const out = new Float32Array(data.length);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[from] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      from += stride;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      from -= stride * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}
