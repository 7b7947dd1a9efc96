import { describe, expect, it } from "vitest";
import { float16 } from "../src/lib/float16.ts";
import {
  formatCount,
  formatMilliseconds,
  formatNumber,
  formatPercent,
  formatTick,
} from "../src/lib/format.ts";
import { Magnitudes } from "../src/lib/quantile.ts";
import { legendTicks, logTicks } from "../src/lib/ticks.ts";

describe("float16", () => {
  it("knows the values that the standard names", () => {
    expect(float16(0x0000)).toBe(0);
    expect(Object.is(float16(0x8000), -0)).toBe(true);
    expect(float16(0x3c00)).toBe(1);
    expect(float16(0xc000)).toBe(-2);
    expect(float16(0x7bff)).toBe(65504);
    expect(float16(0x0400)).toBe(2 ** -14);
    expect(float16(0x0001)).toBe(2 ** -24);
    expect(float16(0x03ff)).toBe(1023 * 2 ** -24);
    expect(float16(0x3555)).toBe(0.333251953125);
    expect(float16(0x7c00)).toBe(Number.POSITIVE_INFINITY);
    expect(float16(0xfc00)).toBe(Number.NEGATIVE_INFINITY);
    expect(float16(0x7e00)).toBeNaN();
  });

  it("ascends with its bits, and is odd in the sign bit", () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7c00; bits++) {
      const value = float16(bits);
      const fine =
        float16(bits + 1) > value && float16(bits | 0x8000) === -value && Math.fround(value) === value;
      if (!fine) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });
});

describe("formatting", () => {
  it("shows entries with three digits, small ones as powers of ten", () => {
    expect(formatNumber(0)).toBe("0");
    expect(formatNumber(0.61234)).toBe("0.612");
    expect(formatNumber(-0.0012345)).toBe("−0.00123");
    expect(formatNumber(0.00012345)).toBe("1.23 × 10⁻⁴");
    expect(formatNumber(-3.5e-12)).toBe("−3.50 × 10⁻¹²");
    expect(formatNumber(1234.5)).toBe("1235");
    expect(formatNumber(2.5e9)).toBe("2.50 × 10⁹");
    expect(formatNumber(Number.NaN)).toBe("NaN");
    expect(formatNumber(Number.NEGATIVE_INFINITY)).toBe("−∞");
  });

  it("keeps tick labels short", () => {
    const labels = [0.001, 0.01, 1, 100, -0.2, 1e-5, -2e-7, 0, 0.30000000000000004].map(formatTick);
    expect(labels).toEqual(["0.001", "0.01", "1", "100", "−0.2", "10⁻⁵", "−2×10⁻⁷", "0", "0.3"]);
  });

  it("shows counts, shares and times", () => {
    expect(formatCount(1025)).toBe("1,025");
    expect(formatPercent(0.125)).toBe("12.5\u202f%");
    expect(formatPercent(1)).toBe("100\u202f%");
    expect(formatMilliseconds(3.456)).toBe("3.5\u00a0ms");
    expect(formatMilliseconds(345.6)).toBe("346\u00a0ms");
    expect(formatMilliseconds(1234)).toBe("1.23\u00a0s");
  });
});

describe("Magnitudes", () => {
  const ramp = Float32Array.from({ length: 1000 }, (_, i) => (i % 2 ? -1 : 1) * (i + 1));

  it("finds quantiles of magnitudes within 1/512 of the value", () => {
    const magnitudes = new Magnitudes().add(ramp);
    for (const p of [0.001, 0.01, 0.5, 0.9, 0.999, 1]) {
      const exact = Math.ceil(p * 1000);
      expect(Math.abs((magnitudes.quantile(p) as number) - exact) / exact).toBeLessThan(1 / 256);
    }
  });

  it("leaves out zeros, infinities and NaN, and has no quantile of nothing", () => {
    const odd = Float32Array.of(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    expect(new Magnitudes().add(odd).quantile(0.5)).toBeNull();
    const one = new Magnitudes().add(odd).add(Float32Array.of(3)).quantile(1) as number;
    expect(one).toBeCloseTo(3, 1);
  });
});

describe("ticks", () => {
  it("takes decades where there are some, else finer steps", () => {
    expect(logTicks(0.001, 1, 5)).toEqual([0.001, 0.01, 0.1, 1]);
    expect(logTicks(1e-6, 1, 4)).toEqual([1e-6, 1e-4, 1e-2, 1]);
    expect(logTicks(0.15, 0.6, 5)).toEqual([0.2, 0.5]);
    expect(logTicks(0.00096, 0.00102, 4)).toEqual([0.00096, 0.00098, 0.001, 0.00102]);
  });

  it("lie inside every scale, in order, with zero in the middle of signed ones", () => {
    for (const kind of ["magnitude", "signed"] as const) {
      for (const transform of ["log", "sqrt", "linear"] as const) {
        for (const [low, high] of [
          [0.001, 1],
          [0.0009, 0.00102],
          [3e-9, 2.7e-6],
        ] as const) {
          const ticks = legendTicks({ kind, transform, low, high }, 5);
          expect(ticks.length).toBeGreaterThan(0);
          const places = ticks.map((tick) => tick.place);
          expect(places).toEqual([...places].sort((a, b) => a - b));
          expect(places.every((place) => place >= 0 && place <= 1)).toBe(true);
          const middle = ticks.find((tick) => tick.value === 0);
          expect(middle?.place).toBe(kind === "signed" ? 0.5 : undefined);
        }
      }
    }
  });
});
