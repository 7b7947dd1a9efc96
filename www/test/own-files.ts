/** Files as a reader may bring them, made for the tests. */
import { float16 } from "../src/lib/float16.ts";

export function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

/** Numbers in NumPy's type `<f4`, `>i8`, ... */
export function bytesOf(values: readonly number[], type: string): Uint8Array<ArrayBuffer> {
  const [little, kind, bytes] = [type[0] !== ">", type.slice(1), Number(type[2])];
  const view = new DataView(new ArrayBuffer(values.length * bytes));
  values.forEach((value, i) => {
    const at = i * bytes;
    if (kind === "f2") view.setUint16(at, halfOf(value), little);
    else if (kind === "f4") view.setFloat32(at, value, little);
    else if (kind === "f8") view.setFloat64(at, value, little);
    else if (kind === "i4") view.setInt32(at, value, little);
    else view.setBigInt64(at, BigInt(value), little);
  });
  return new Uint8Array(view.buffer);
}

/** The bits of a value that a half holds exactly. */
function halfOf(value: number): number {
  for (let bits = 0; bits < 0x10000; bits++) if (Object.is(float16(bits), value)) return bits;
  throw new Error(`${value} is no half`);
}

interface NpyOptions {
  /** In the header. */
  type?: string;
  /** Of the data, where that is another one. */
  as?: string;
  fortran?: boolean;
  version?: number;
  header?: string;
}

export function npy(values: readonly number[], shape: readonly number[], options: NpyOptions = {}) {
  const { type = "<f4", as = type, fortran = false, version = 1 } = options;
  const order = fortran ? "True" : "False";
  const dict = `{'descr': '${type}', 'fortran_order': ${order}, 'shape': (${shape.join(", ")},), }`;
  const header = text(`${options.header ?? dict}\n`);
  const lengthBytes = version === 1 ? 2 : 4;
  const data = bytesOf(values, as);
  const out = new Uint8Array(8 + lengthBytes + header.length + data.length);
  out.set([0x93, ...text("NUMPY"), version, 0]);
  const view = new DataView(out.buffer);
  if (version === 1) view.setUint16(8, header.length, true);
  else view.setUint32(8, header.length, true);
  out.set(header, 8 + lengthBytes);
  out.set(data, 8 + lengthBytes + header.length);
  return out;
}

type Entry = readonly [shape: readonly number[], data: Float32Array];
interface SafetensorsOptions {
  dtype?: "F16" | "BF16" | "F32" | "F64";
  metadata?: Record<string, string>;
}

export function safetensors(tensors: Record<string, Entry>, options: SafetensorsOptions = {}) {
  const { dtype = "F32", metadata } = options;
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, [shape, data]] of Object.entries(tensors)) {
    const bytes = encode(data, dtype);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    parts.push(bytes);
    at += bytes.length;
  }
  const head = text(JSON.stringify(header));
  const out = new Uint8Array(8 + head.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  let place = 8 + head.length;
  for (const part of parts) {
    out.set(part, place);
    place += part.length;
  }
  return out;
}

function encode(data: Float32Array, dtype: string): Uint8Array {
  if (dtype === "F64") return bytesOf([...data], "<f8");
  if (dtype === "F16") return bytesOf([...data], "<f2");
  const singles = bytesOf([...data], "<f4");
  return dtype === "F32" ? singles : singles.filter((_, i) => i % 4 >= 2);
}
