import { randomNormal } from "d3-random";
import { Matrix, SingularValueDecomposition } from "ml-matrix";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** A matrix, row-major. */
export interface Dense {
  values: Float32Array;
  rows: number;
  columns: number;
}

/** The largest singular values of a matrix, and their left vectors. */
export interface TruncatedSvd {
  /** Descending. */
  values: Float64Array;
  /** Row-major [rows, values]: orthonormal columns, as far as the singular values are not 0. */
  left: Float64Array;
}

/** So many more columns than singular values wanted make the last of them as good as the first. */
const OVERSAMPLING = 16;
/** Spectra of attention fall slowly: without these the values in the middle come out some percent too small. */
const POWER_ITERATIONS = 2;
const PRODUCTS = 2 + 2 * POWER_ITERATIONS;
/** What is left of a column after those before it are taken out, if it is only rounding. */
const DEPENDENT = 1e-12;
const SLICE_MS = 30;

/**
 * Randomised SVD (Halko, Martinsson and Tropp 2011, arXiv 0909.4061): a Gaussian sketch finds the space that the matrix
 * maps most to, and within it the problem is small. `turn` is waited for a few times and more in long products, with the share done.
 */
export async function truncatedSvd(
  matrix: Dense,
  count: number,
  seed: number,
  turn: (fraction: number) => Promise<void> = async () => {},
): Promise<TruncatedSvd> {
  const { rows, columns } = matrix;
  const width = Math.min(rows, columns, count + OVERSAMPLING);
  const straight: Strided = { ...matrix, rowStep: columns, columnStep: 1 };
  const transposed: Strided = { ...straight, rows: columns, columns: rows, rowStep: 1, columnStep: columns };
  let products = 0;
  const product = async (left: Strided, right: Float64Array) => {
    const share = (fraction: number) => turn((products + fraction) / PRODUCTS);
    const result = await multiply(left, right, width, share);
    products++;
    await turn(products / PRODUCTS);
    return result;
  };

  let range = await product(straight, gaussian(columns * width, seed));
  orthonormalize(range, width);
  for (let i = 0; i < POWER_ITERATIONS; i++) {
    const across = await product(transposed, range);
    orthonormalize(across, width);
    range = await product(straight, across);
    orthonormalize(range, width);
  }
  // Columns that nearly depended on each other are orthogonal only now.
  orthonormalize(range, width);
  // Range' matrix = triangle' (orthonormal rows), so both have the same singular values and left vectors.
  const triangle = orthonormalize(await product(transposed, range), width);
  const small = new SingularValueDecomposition(Matrix.from1DArray(width, width, triangle).transpose());
  const kept = Math.min(count, width);
  return {
    values: Float64Array.from(small.diagonal.slice(0, kept)),
    left: combine(range, width, small.leftSingularVectors, kept),
  };
}

/** How many of the largest singular values make up a share of the squared norm; null if it takes more than are known. */
export function termsFor(share: number, values: ArrayLike<number>, squaredNorm: number): number | null {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    if (sum >= share * squaredNorm) return i;
    sum += (values[i] as number) ** 2;
  }
  return sum >= share * squaredNorm ? values.length : null;
}

export function squaredNorm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return sum;
}

function gaussian(length: number, seed: number): Float64Array {
  const generator = xoroshiro128plus(seed);
  return Float64Array.from({ length }, randomNormal.source(() => uniformFloat64(generator))(0, 1));
}

/** So that one loop serves a matrix and its transpose. */
interface Strided extends Dense {
  rowStep: number;
  columnStep: number;
}

/** left × right, `right` having `width` columns. Four rows of it at a time: a sum in memory is loaded and stored once. */
async function multiply(
  { values, rows, columns, rowStep, columnStep }: Strided,
  right: Float64Array,
  width: number,
  turn: (fraction: number) => Promise<void>,
): Promise<Float64Array> {
  const out = new Float64Array(rows * width);
  const whole = columns - (columns % 4);
  let start = performance.now();
  for (let i = 0; i < rows; i++) {
    const sum = out.subarray(i * width, (i + 1) * width);
    let j = 0;
    for (; j < whole; j += 4) {
      const at = i * rowStep + j * columnStep;
      const a = values[at] as number;
      const b = values[at + columnStep] as number;
      const c = values[at + 2 * columnStep] as number;
      const d = values[at + 3 * columnStep] as number;
      for (let t = 0, from = j * width; t < width; t++, from++) {
        sum[t] =
          (sum[t] as number) +
          a * (right[from] as number) +
          b * (right[from + width] as number) +
          c * (right[from + 2 * width] as number) +
          d * (right[from + 3 * width] as number);
      }
    }
    for (; j < columns; j++) {
      const a = values[i * rowStep + j * columnStep] as number;
      for (let t = 0; t < width; t++) sum[t] = (sum[t] as number) + a * (right[j * width + t] as number);
    }
    if (performance.now() - start > SLICE_MS) {
      await turn((i + 1) / rows);
      start = performance.now();
    }
  }
  return out;
}

/**
 * Makes the columns of `x` orthonormal in place (modified Gram-Schmidt) and gives the upper triangle R, row-major, with
 * old x = new x × R. A column that depends on those before it becomes 0.
 */
function orthonormalize(x: Float64Array, width: number): Float64Array {
  const rows = x.length / width;
  const triangle = new Float64Array(width * width);
  const lengths = new Float64Array(width);
  for (let i = 0; i < rows; i++) {
    for (let t = 0; t < width; t++) lengths[t] = (lengths[t] as number) + (x[i * width + t] as number) ** 2;
  }
  for (let c = 0; c < width; c++) {
    let square = 0;
    for (let i = 0; i < rows; i++) square += (x[i * width + c] as number) ** 2;
    const length = Math.sqrt(square);
    const dependent = length <= DEPENDENT * Math.sqrt(lengths[c] as number);
    const dots = triangle.subarray(c * width, (c + 1) * width);
    for (let i = 0; i < rows; i++) {
      const at = i * width;
      const entry = dependent ? 0 : (x[at + c] as number) / length;
      x[at + c] = entry;
      for (let t = c + 1; t < width; t++) dots[t] = (dots[t] as number) + entry * (x[at + t] as number);
    }
    dots[c] = dependent ? 0 : length;
    for (let i = 0; i < rows; i++) {
      const at = i * width;
      const entry = x[at + c] as number;
      for (let t = c + 1; t < width; t++) x[at + t] = (x[at + t] as number) - entry * (dots[t] as number);
    }
  }
  return triangle;
}

/** The first `kept` columns of basis × weights. */
function combine(basis: Float64Array, width: number, weights: Matrix, kept: number): Float64Array {
  const rows = basis.length / width;
  const columns = weights.to2DArray();
  const out = new Float64Array(rows * kept);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < width; j++) {
      const entry = basis[i * width + j] as number;
      const weight = columns[j] as number[];
      for (let t = 0; t < kept; t++) {
        out[i * kept + t] = (out[i * kept + t] as number) + entry * (weight[t] as number);
      }
    }
  }
  return out;
}
