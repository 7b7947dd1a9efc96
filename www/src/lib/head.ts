import { parseSafetensors } from "./safetensors.ts";
import type { Tensor } from "./tensor.ts";

/** The input of one attention head. */
export interface Head {
  /** Row-major [tokens, dim]. */
  q: Float32Array<ArrayBuffer>;
  k: Float32Array<ArrayBuffer>;
  /** Row-major [tokens, valueDim]. */
  v: Float32Array<ArrayBuffer>;
  tokens: number;
  dim: number;
  valueDim: number;
  /** Logits are scale · q·k / temperature. */
  scale: number;
  causal: boolean;
}

/** A head without its numbers. */
export type HeadShape = Omit<Head, "q" | "k" | "v">;

/** A captured head: tensors q, k, v of shape [tokens, dim], with `scale` and `causal` in the metadata. */
export function headFromSafetensors(buffer: ArrayBuffer): Head {
  const { metadata, tensors } = parseSafetensors(buffer);
  const matrix = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor?.shape.length !== 2) throw new Error(`head: the file has no matrix ${name}`);
    return tensor;
  };
  const [q, k, v] = [matrix("q"), matrix("k"), matrix("v")];
  const [tokens, dim] = q.shape as [number, number];
  if (k.shape[0] !== tokens || k.shape[1] !== dim || v.shape[0] !== tokens) {
    throw new Error(`head: shapes do not fit: q ${q.shape}, k ${k.shape}, v ${v.shape}`);
  }
  const scale = Number(metadata.get("scale"));
  if (!(scale > 0 && Number.isFinite(scale))) throw new Error(`head: scale is ${metadata.get("scale")}`);
  return {
    q: q.data,
    k: k.data,
    v: v.data,
    tokens,
    dim,
    valueDim: v.shape[1] as number,
    scale,
    causal: metadata.get("causal") === "true",
  };
}
