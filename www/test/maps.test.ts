import { describe, expect, it } from "vitest";
import { blockSize, crop, type Grid, GridBuilder, MASKED } from "../src/lib/aggregate.ts";
import { cellAt, clampCell, moveCell, strongest } from "../src/lib/cell.ts";
import { magnitudeRamp, nanColour, signedRamp } from "../src/lib/colour.ts";
import { paint } from "../src/lib/paint.ts";
import type { Region } from "../src/lib/region.ts";
import { clipping, pictureScales, position, type Scale, valueAt } from "../src/lib/scale.ts";
import { TRANSFORMS } from "../src/lib/state.ts";
import { measure } from "../src/lib/stats.ts";

const grid = (values: number[], width = values.length): Grid => ({
  width,
  height: values.length / width,
  values: Float32Array.from(values),
});

/** In bands of `rows`, as a large matrix comes. */
function aggregate(
  matrix: Float32Array<ArrayBuffer>,
  tokens: number,
  size: number,
  causal: boolean,
  region?: Region,
  rows = tokens,
): Grid {
  const builder = new GridBuilder(tokens, size, causal, region);
  for (let first = 0; first < tokens; first += rows) {
    builder.add(matrix.subarray(first * tokens, Math.min(tokens, first + rows) * tokens), first);
  }
  return builder.grid;
}

describe("aggregate", () => {
  it("keeps a small matrix as it is", () => {
    const matrix = Float32Array.of(1, -2, 3, 4);
    expect(aggregate(matrix, 2, 9, false)).toEqual({ width: 2, height: 2, values: matrix });
  });

  it("takes the entry of largest magnitude of each block, with its sign", () => {
    const matrix = Float32Array.of(1, 2, 0, 0, -9, 3, 0, -0.5, 0, 0, 1, 1, 0, 0, 1, 2);
    expect([...aggregate(matrix, 4, 2, false).values]).toEqual([-9, -0.5, 0, 2]);
  });

  it("counts every entry exactly once at sizes that do not divide", () => {
    const n = 37;
    for (const size of [1, 5, 36, 37, 64]) {
      const seen = new Set<number>();
      for (let one = 0; one < n * n; one += 7) {
        const matrix = new Float32Array(n * n);
        matrix[one] = 1;
        const { values } = aggregate(matrix, n, size, false);
        expect(values.reduce((sum, value) => sum + value, 0)).toBe(1);
        seen.add(values.indexOf(1));
      }
      expect(seen.size).toBeGreaterThan(Math.min(size, n) / 2);
    }
  });

  it("leaves out the future of a causal head, but not a block that the diagonal crosses", () => {
    const matrix = new Float32Array(16).fill(5);
    const { values } = aggregate(matrix, 4, 2, true);
    expect([...values]).toEqual([5, MASKED, 5, 5]);
    expect([...aggregate(matrix, 4, 4, true).values].filter((value) => value === MASKED).length).toBe(6);
  });

  it("shows a NaN wherever there is one", () => {
    const matrix = Float32Array.of(9, Number.NaN, 1, 1);
    expect([...aggregate(matrix, 2, 1, false).values]).toEqual([Number.NaN]);
  });

  it("is the same as looking beneath every pixel, in every region", () => {
    const n = 23;
    const matrix = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i * i));
    const slow = (region: Region, size: number, causal: boolean) => {
      const side = Math.min(size, region.size);
      const edge = (i: number) => Math.floor((i * region.size) / side);
      return Array.from({ length: side * side }, (_, at) => {
        const [y, x] = [Math.floor(at / side), at % side];
        let most = MASKED;
        for (let i = edge(y); i < edge(y + 1); i++)
          for (let j = edge(x); j < edge(x + 1); j++) {
            const [query, key] = [region.query + i, region.key + j];
            const value = matrix[query * n + key] as number;
            const skip = causal && key > query;
            if (!skip && (most === MASKED || Math.abs(value) > Math.abs(most))) most = value;
          }
        return most;
      });
    };
    for (const causal of [false, true])
      for (const size of [4, 7, 23, 50])
        for (const [query, key, side] of [
          [0, 0, 23],
          [3, 8, 9],
          [12, 0, 11],
          [0, 15, 8],
        ] as const) {
          const region = { query, key, size: side };
          const expected = slow(region, size, causal);
          for (const rows of [n, 5, 1]) {
            const { values } = aggregate(matrix, n, size, causal, region, rows);
            expect([...values]).toEqual(expected);
          }
        }
  });

  it("is cut out of a grid where there is no matrix", () => {
    const whole = { width: 4, height: 4, values: Float32Array.from({ length: 16 }, (_, i) => i) };
    expect(crop(whole, { query: 0, key: 50, size: 50 }, 100)).toEqual({
      width: 2,
      height: 2,
      values: Float32Array.of(2, 3, 6, 7),
    });
    const { width, values } = crop(whole, { query: 99 - 8, key: 0, size: 8 }, 100);
    expect([width, ...values]).toEqual([1, 12]);
  });

  it("names the block", () => {
    expect(blockSize(1024, 512)).toBe("2 × 2");
    expect(blockSize(1025, 316)).toBe("3–4 × 3–4");
    expect(blockSize(64, 316)).toBeNull();
  });
});

describe("scales", () => {
  const scales: Scale[] = TRANSFORMS.flatMap((transform) => [
    { kind: "magnitude", transform, low: 0.001, high: 0.5 } as const,
    { kind: "signed", transform, low: transform === "log" ? 0.001 : 0, high: 0.5 } as const,
  ]);

  it.each(scales)("$kind, $transform: ends, order and inverse", (scale) => {
    expect(position(scale, scale.high)).toBeCloseTo(1, 12);
    expect(position(scale, 99)).toBe(1);
    expect(position(scale, 0)).toBe(scale.kind === "signed" ? 0.5 : 0);
    if (scale.kind === "signed") {
      expect(position(scale, -scale.high)).toBeCloseTo(0, 12);
      expect(position(scale, -99)).toBe(0);
      expect(position(scale, 0.2) + position(scale, -0.2)).toBeCloseTo(1, 12);
    }
    for (const t of [0.6, 0.75, 0.9, 1]) expect(position(scale, valueAt(scale, t))).toBeCloseTo(t, 9);
  });

  const four = (exact: number[], sparse: number[], lowRank = exact, error = sparse) => ({
    exact: measure(grid(exact)),
    lowRank: measure(grid(lowRank)),
    sparse: measure(grid(sparse)),
    error: measure(grid(error)),
  });

  it("hang on the exact matrix when shared", () => {
    const { exact, lowRank, sparse, error } = pictureScales(
      four([0.01, 0.02, 0.5], [0, 0.001, -0.002]),
      "log",
      "shared",
    );
    expect(exact.kind).toBe("magnitude");
    expect(lowRank).toBe(exact);
    expect(error).toBe(sparse);
    expect(sparse.kind).toBe("signed");
    expect(sparse.high).toBe(exact.high);
    expect(exact.high).toBeCloseTo(0.5, 2);
  });

  it("follow each map when they are its own", () => {
    const { sparse, error } = pictureScales(four([0.5, 0.1], [0.002], [0.5], [0.25]), "log", "own");
    expect(sparse.high).toBeCloseTo(0.002, 4);
    expect(error.high).toBeCloseTo(0.25, 2);
  });

  it("show negative low-rank entries in the diverging colours", () => {
    for (const span of ["shared", "own"] as const) {
      expect(pictureScales(four([0.5], [0], [0.5, -0.1]), "log", span).lowRank.kind).toBe("signed");
    }
    expect(pictureScales(four([0.5], [0], [0.5, MASKED]), "log", "shared").lowRank.kind).toBe("magnitude");
  });

  it("spread nearly uniform attention over the whole ramp", () => {
    const soft = Array.from({ length: 2000 }, (_, i) => (1 + 0.05 * Math.sin(i)) / 2000);
    const { exact } = pictureScales(four(soft, [0]), "log", "shared");
    expect(position(exact, Math.min(...soft))).toBeLessThan(0.02);
    expect(position(exact, Math.max(...soft))).toBeGreaterThan(0.98);
  });

  it("are finite for matrices of nothing, of one value and of NaN", () => {
    for (const values of [[0, 0], [MASKED], [0.25, 0.25], [Number.NaN], [1e-40, 1e-42], [1]]) {
      for (const transform of TRANSFORMS) {
        for (const scale of Object.values(pictureScales(four(values, values), transform, "own"))) {
          expect(Number.isFinite(scale.low) && scale.high > scale.low).toBe(true);
          expect(position(scale, 0.25)).toBeGreaterThanOrEqual(0);
          expect(position(scale, 0.25)).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  it("tell what they clip", () => {
    const scale: Scale = { kind: "magnitude", transform: "log", low: 0.01, high: 0.1 };
    expect(clipping(scale, measure(grid([0.01, 0.1, MASKED, Number.NaN])))).toEqual({
      below: false,
      above: false,
    });
    expect(clipping(scale, measure(grid([0.005, 0.2])))).toEqual({ below: true, above: true });
    const signed: Scale = { kind: "signed", transform: "log", low: 0.001, high: 0.1 };
    expect(clipping(signed, measure(grid([0, -0.1])))).toEqual({ below: false, above: false });
    expect(clipping(signed, measure(grid([-0.2])))).toEqual({ below: true, above: false });
  });
});

describe("paint", () => {
  const scale: Scale = { kind: "magnitude", transform: "linear", low: 0, high: 1 };
  const pixels = (g: Grid, width: number, height: number) =>
    new Uint32Array(paint(g, scale, "light", width, height).buffer);

  it("colours values, NaN and entries that do not exist", () => {
    const { pixels: ramp } = magnitudeRamp();
    expect([...pixels(grid([0, 1, Number.NaN, MASKED]), 4, 1)]).toEqual([ramp[0], ramp[256], nanColour(), 0]);
    expect(ramp.includes(nanColour())).toBe(false);
  });

  it("gives every value the colour nearest to its place on the scale", () => {
    const values = Array.from({ length: 500 }, (_, i) => (i - 250) / 200 + 1e-4);
    for (const kind of ["magnitude", "signed"] as const)
      for (const transform of TRANSFORMS) {
        const low = kind === "signed" && transform !== "log" ? 0 : 0.01;
        const scale: Scale = { kind, transform, low, high: 1 };
        const { pixels: ramp } = kind === "signed" ? signedRamp("dark") : magnitudeRamp();
        const painted = new Uint32Array(paint(grid(values), scale, "dark", values.length, 1).buffer);
        values.forEach((value, i) => {
          const place = position(scale, value) * 256;
          // At the border between two colours either will do.
          const near = [place - 0.02, place + 0.02].map(
            (t) => ramp[Math.min(256, Math.max(0, Math.round(t)))],
          );
          expect(near).toContain(painted[i]);
        });
      }
  });

  it("gives every value a block of whole pixels", () => {
    const [a, b] = pixels(grid([0, 1]), 2, 1);
    expect([...pixels(grid([0, 1]), 5, 2)]).toEqual([a, a, a, b, b, a, a, a, b, b]);
  });

  it("has pale or dark zeros on signed ramps, as the page has", () => {
    const brightness = (theme: "light" | "dark") => {
      const [r, g, b] = new Uint8Array(Uint32Array.of(signedRamp(theme).pixels[128] as number).buffer);
      return ((r as number) + (g as number) + (b as number)) / 3;
    };
    expect(brightness("light")).toBeGreaterThan(235);
    expect(brightness("dark")).toBeLessThan(50);
  });
});

describe("the cell cursor", () => {
  const press = (key: string, more = {}) => ({
    key,
    shiftKey: false,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    ...more,
  });
  const at = { query: 50, key: 60 };

  it("moves by keys and stops at the edges", () => {
    expect(moveCell(at, press("ArrowLeft"), 100)).toEqual({ query: 50, key: 59 });
    expect(moveCell(at, press("ArrowRight", { shiftKey: true }), 100)).toEqual({ query: 50, key: 70 });
    expect(moveCell(at, press("ArrowUp"), 100)).toEqual({ query: 49, key: 60 });
    expect(moveCell(at, press("ArrowDown"), 100)).toEqual({ query: 51, key: 60 });
    expect(moveCell(at, press("Home"), 100)).toEqual({ query: 50, key: 0 });
    expect(moveCell(at, press("End"), 100)).toEqual({ query: 50, key: 99 });
    expect(moveCell(at, press("PageUp"), 160)).toEqual({ query: 40, key: 60 });
    expect(moveCell(at, press("PageDown"), 160)).toEqual({ query: 60, key: 60 });
    expect(moveCell(at, press("Home", { ctrlKey: true }), 100)).toEqual({ query: 0, key: 0 });
    expect(moveCell(at, press("End", { ctrlKey: true }), 100)).toEqual({ query: 99, key: 99 });
    expect(moveCell({ query: 0, key: 99 }, press("ArrowUp"), 100)).toEqual({ query: 0, key: 99 });
    expect(moveCell({ query: 0, key: 99 }, press("ArrowRight"), 100)).toEqual({ query: 0, key: 99 });
  });

  it("leaves other keys to the browser", () => {
    expect(moveCell(at, press("Tab"), 100)).toBeNull();
    expect(moveCell(at, press("ArrowLeft", { altKey: true }), 100)).toBeNull();
    expect(moveCell(at, press("ArrowLeft", { metaKey: true }), 100)).toBeNull();
    expect(moveCell(at, press("ArrowLeft", { ctrlKey: true }), 100)).toBeNull();
  });

  it("finds the cell under a point, edges included", () => {
    const whole = { query: 0, key: 0, size: 10 };
    expect(cellAt(0, 0, whole)).toEqual({ query: 0, key: 0 });
    expect(cellAt(1, 0.55, whole)).toEqual({ query: 5, key: 9 });
    expect(cellAt(-1, 2, whole)).toEqual({ query: 9, key: 0 });
    expect(cellAt(0.5, 0.1, { query: 30, key: 20, size: 8 })).toEqual({ query: 30, key: 24 });
    expect(clampCell({ query: 99, key: 3 }, 10)).toEqual({ query: 9, key: 3 });
  });

  it("starts where the sparse part corrects most in the middle row", () => {
    expect(strongest(Float32Array.of(0.1, -0.5, 0.2))).toBe(1);
  });
});
