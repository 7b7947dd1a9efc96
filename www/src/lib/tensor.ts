/** A tensor as 32-bit floats, whatever the file held. */
export interface Tensor {
  shape: number[];
  /** Row-major. */
  data: Float32Array<ArrayBuffer>;
}

/** Numbers in a tensor of this shape. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
