import { squaredNorm } from "./svd.ts";

/** What the best low-rank approximation of a matrix costs its product with the values. */

/** matrix × v, `matrix` being [rows, keys] and `v` [keys, dim], both row-major. */
export function productWith(matrix: Float32Array, v: Float32Array, dim: number): Float64Array {
  const keys = v.length / dim;
  const rows = matrix.length / keys;
  const out = new Float64Array(rows * dim);
  for (let i = 0; i < rows; i++) {
    const sum = out.subarray(i * dim, (i + 1) * dim);
    for (let j = 0; j < keys; j++) {
      const weight = matrix[i * keys + j] as number;
      if (weight === 0) continue;
      for (let t = 0; t < dim; t++) sum[t] = (sum[t] as number) + weight * (v[j * dim + t] as number);
    }
  }
  return out;
}

/**
 * Squared norm of what is missing from `product`, a matrix times values, when the matrix is replaced by its best one of
 * rank r: for every r from 0 to the number of singular vectors. That matrix is U U' matrix, so what is missing is
 * (I - U U') product: by Pythagoras what its columns have outside of U.
 */
export function missing(left: Float64Array, count: number, product: Float64Array, dim: number): Float64Array {
  const rows = left.length / count;
  const inside = new Float64Array(count * dim);
  for (let i = 0; i < rows; i++) {
    for (let s = 0; s < count; s++) {
      const weight = left[i * count + s] as number;
      for (let t = 0; t < dim; t++) {
        inside[s * dim + t] = (inside[s * dim + t] as number) + weight * (product[i * dim + t] as number);
      }
    }
  }
  const squares = new Float64Array(count + 1);
  squares[0] = squaredNorm(product);
  for (let s = 0; s < count; s++) {
    const rest = (squares[s] as number) - squaredNorm(inside.subarray(s * dim, (s + 1) * dim));
    squares[s + 1] = Math.max(0, rest);
  }
  return squares;
}

/** A copy without the `count` largest entries of each row. */
export function withoutLargest(matrix: Float32Array, columns: number, count: number): Float32Array {
  const rest = matrix.slice();
  if (count >= columns) return rest.fill(0);
  for (let first = 0; first < rest.length; first += columns) {
    const row = rest.subarray(first, first + columns);
    const limit = row.slice().sort()[columns - count] as number;
    let left = count;
    for (let j = 0; j < columns; j++) left -= (row[j] as number) > limit ? 1 : 0;
    for (let j = 0; j < columns; j++) {
      if ((row[j] as number) > limit) row[j] = 0;
      else if (row[j] === limit && left-- > 0) row[j] = 0;
    }
  }
  return rest;
}
