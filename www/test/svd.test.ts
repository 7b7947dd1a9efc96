import { describe, expect, it } from "vitest";
import { fewest } from "../src/lib/concentration.ts";
import { missing, productWith, withoutLargest } from "../src/lib/low-rank-floor.ts";
import { type Dense, squaredNorm, termsFor, truncatedSvd } from "../src/lib/svd.ts";

/** Row-major [rows, columns] with orthonormal columns, of cosines: no two alike, and none of them in a sketch. */
function cosines(rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let s = 0; s < columns; s++) {
      const scale = Math.sqrt((s === 0 ? 1 : 2) / rows);
      out[i * columns + s] = scale * Math.cos((Math.PI * (i + 0.5) * s) / rows);
    }
  }
  return out;
}

/** A matrix with these singular values, and its left vectors. */
function withSpectrum(values: readonly number[], rows: number, columns: number) {
  const [left, right] = [cosines(rows, values.length), cosines(columns, values.length)];
  const matrix = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let entry = 0;
      for (const [s, value] of values.entries()) {
        entry += value * (left[i * values.length + s] as number) * (right[j * values.length + s] as number);
      }
      matrix[i * columns + j] = entry;
    }
  }
  return { matrix: { values: matrix, rows, columns } satisfies Dense, left };
}

/** Largest entry of |left' left - I|. */
function defect(left: Float64Array, count: number): number {
  let worst = 0;
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < count; b++) {
      let dot = a === b ? -1 : 0;
      for (let i = 0; i < left.length; i += count) dot += (left[i + a] as number) * (left[i + b] as number);
      worst = Math.max(worst, Math.abs(dot));
    }
  }
  return worst;
}

describe("truncatedSvd", () => {
  it.each([
    [90, 70],
    [61, 101],
  ])("finds a slowly falling spectrum and its vectors (%i × %i)", async (rows, columns) => {
    const spectrum = Array.from({ length: 50 }, (_, i) => 3 / (i + 1));
    const { matrix, left } = withSpectrum(spectrum, rows, columns);
    const svd = await truncatedSvd(matrix, 12, 7);
    expect(svd.values.length).toBe(12);
    for (const [i, value] of svd.values.entries()) {
      // From below, as the sketch only sees a part of the space; the last ones fall short most.
      expect(value / (spectrum[i] as number)).toBeGreaterThan(i < 8 ? 0.9999 : 0.999);
      expect(value / (spectrum[i] as number)).toBeLessThan(1 + 1e-6);
    }
    expect(defect(svd.left, 12)).toBeLessThan(1e-12);
    let dot = 0;
    for (let i = 0; i < rows; i++) dot += (svd.left[i * 12 + 2] as number) * (left[i * 50 + 2] as number);
    expect(Math.abs(dot)).toBeGreaterThan(0.99999);
  });

  it("finds the whole spectrum where there is no more than is asked for", async () => {
    const spectrum = [5, 4, 1, 0.5, 1e-3];
    const { matrix } = withSpectrum(spectrum, 5, 9);
    const { values, left } = await truncatedSvd(matrix, 128, 1);
    expect(values.length).toBe(5);
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(spectrum[i] as number, 6);
    expect(left.length).toBe(25);
  });

  it("sees the rank of a matrix that has less than is asked for", async () => {
    const { matrix } = withSpectrum([8, 2, 1], 64, 64);
    const { values } = await truncatedSvd(matrix, 20, 3);
    expect(values[2]).toBeCloseTo(1, 6);
    // What is left is the rounding of the entries to 32 bits.
    expect(values[3]).toBeLessThan(1e-6);
    expect([...values].every(Number.isFinite)).toBe(true);
  });

  it("is exactly 0 for zeros, and never NaN for extreme or equal entries", async () => {
    const cases: [Float32Array, number][] = [
      [new Float32Array(400), 0],
      [new Float32Array(400).fill(1e-30), 2e-29],
      [new Float32Array(400).fill(-1e30), 2e31],
      [new Float32Array(400).fill(1, 0, 20), Math.sqrt(20)],
    ];
    for (const [values, largest] of cases) {
      const svd = await truncatedSvd({ values, rows: 20, columns: 20 }, 10, 1);
      expect((svd.values[0] as number) - largest).toBeLessThanOrEqual(1e-6 * largest);
      expect((svd.values[0] as number) - largest).toBeGreaterThanOrEqual(-1e-6 * largest);
      expect(svd.values[1]).toBeLessThanOrEqual(1e-6 * largest);
      expect([...svd.values, ...svd.left].some(Number.isNaN)).toBe(false);
    }
  });

  it("gives the same bits for the same seed, and stops where its turn throws", async () => {
    const { matrix } = withSpectrum([3, 2, 1, 0.5], 40, 40);
    const [a, b] = [await truncatedSvd(matrix, 3, 5), await truncatedSvd(matrix, 3, 5)];
    expect(a).toEqual(b);
    const told: number[] = [];
    const turn = async (fraction: number) => {
      told.push(fraction);
      if (told.length === 2) throw new Error("enough");
    };
    await expect(truncatedSvd(matrix, 3, 5, turn)).rejects.toThrow("enough");
    expect(told[0]).toBeGreaterThan(0);
    expect(told[1]).toBeGreaterThanOrEqual(told[0] as number);
    expect(told[1]).toBeLessThan(1);
  });
});

it("termsFor counts the largest singular values up to a share of the squared norm", () => {
  // Squares 16, 4, 4, 1 of 25.
  const values = [4, 2, 2, 1];
  expect(termsFor(0.5, values, 25)).toBe(1);
  expect(termsFor(0.8, values, 25)).toBe(2);
  expect(termsFor(0.81, values, 25)).toBe(3);
  expect(termsFor(1, values, 25)).toBe(4);
  expect(termsFor(0.99, values.slice(0, 2), 25)).toBeNull();
  expect(termsFor(0.5, [], 0)).toBe(0);
});

it("fewest counts the largest magnitudes up to a share of their sum", () => {
  expect(fewest(Float32Array.of(0, -5, 1, 3, 1), 0.5)).toBe(1);
  expect(fewest(Float32Array.of(0, -5, 1, 3, 1), 0.75)).toBe(2);
  expect(fewest(Float32Array.of(0, -5, 1, 3, 1), 0.95)).toBe(4);
  expect(fewest(new Float32Array(3), 0.5)).toBe(0);
});

describe("floors of low rank", () => {
  it("what is missing is the distance to the product with the matrix of that rank", async () => {
    const spectrum = [4, 3, 2, 1, 0.5];
    const { matrix, left } = withSpectrum(spectrum, 30, 24);
    const v = Float32Array.from({ length: 24 * 3 }, (_, i) => Math.sin(i * i));
    const product = productWith(matrix.values, v, 3);
    expect(product[7]).toBeCloseTo(rowTimes(matrix, 2, v, 1), 6);
    const svd = await truncatedSvd(matrix, 5, 1);
    const squares = missing(svd.left, 5, product, 3);
    expect(squares[0]).toBeCloseTo(squaredNorm(product), 6);
    // By the other way round: the matrix of rank 2 itself, times v.
    const rest = withSpectrum(
      spectrum.map((value, i) => (i < 2 ? 0 : value)),
      30,
      24,
    ).matrix;
    expect(squares[2]).toBeCloseTo(squaredNorm(productWith(rest.values, v, 3)), 5);
    expect(squares[5]).toBeLessThan(1e-9);
    expect(left.length).toBe(150);
  });

  it("withoutLargest takes as many out of each row as it is told, ties included", () => {
    const matrix = Float32Array.of(1, 5, 3, 3, 2, 2, 2, 2);
    expect([...withoutLargest(matrix, 4, 2)]).toEqual([1, 0, 0, 3, 0, 0, 2, 2]);
    expect([...withoutLargest(matrix, 4, 0)]).toEqual([...matrix]);
    expect([...withoutLargest(matrix, 4, 4)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

function rowTimes({ values, columns }: Dense, row: number, v: Float32Array, column: number): number {
  let sum = 0;
  for (let j = 0; j < columns; j++)
    sum += (values[row * columns + j] as number) * (v[j * 3 + column] as number);
  return sum;
}
