import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { curveDomain } from "../src/lib/curve-domain.ts";
import { Latest } from "../src/lib/latest.ts";
import { decodePoster, encodePoster, type Poster } from "../src/lib/poster.ts";
import { regimesOf } from "../src/lib/regimes.ts";
import type { CurvePoint } from "../src/lib/results.ts";
import { position, type Scale, valueAt } from "../src/lib/scale.ts";
import {
  coarseToFine,
  curveTemperatures,
  fromSlider,
  parseTemperature,
  roundTemperature,
  SLIDER,
  toSlider,
} from "../src/lib/temperature.ts";

const point = (temperature: number, sparse: number, lowRank: number, scatterbrain: number): CurvePoint => ({
  temperature,
  entropy: 1,
  errors: { sparse, "low-rank": lowRank, scatterbrain },
});

describe("temperature", () => {
  it("goes to the slider and back", () => {
    for (let place = SLIDER.min; place <= SLIDER.max + 1e-9; place += SLIDER.step) {
      const temperature = fromSlider(place);
      expect(toSlider(temperature)).toBeCloseTo(place, 2);
      expect(roundTemperature(temperature)).toBe(temperature);
    }
    expect(fromSlider(0)).toBe(1);
    expect(fromSlider(-2)).toBe(0.01);
    expect(fromSlider(2)).toBe(100);
  });

  it("is read from what people type", () => {
    expect(parseTemperature(" 0.5 ")).toBe(0.5);
    expect(parseTemperature("0,25")).toBe(0.25);
    expect(parseTemperature("1e-2")).toBe(0.01);
    for (const text of ["", " ", "0", "-1", "101", "abc", "NaN", "1 2", "Infinity"]) {
      expect(parseTemperature(text)).toBeNull();
    }
  });

  it("has a grid with the ends and 1, computed coarse to fine", () => {
    const all = curveTemperatures();
    expect(all.length).toBe(33);
    expect([all[0], all[16], all[32]]).toEqual([0.01, 1, 100]);
    const order = coarseToFine(all);
    expect([...order].sort((a, b) => a - b)).toEqual(all);
    expect(order.slice(0, 3).sort((a, b) => a - b)).toEqual([0.01, 1, 100]);
    for (const n of [0, 1, 2, 3, 10]) {
      const values = Array.from({ length: n }, (_, i) => i);
      expect(coarseToFine(values).sort((a, b) => a - b)).toEqual(values);
    }
  });
});

describe("regimesOf", () => {
  it("finds which method is best, and changes between the points where the curves cross", () => {
    const [cold, middle, hot, ...rest] = regimesOf([
      point(0.1, 1, 4, 2),
      point(1, 4, 4, 2),
      point(10, 4, 1, 2),
    ]);
    expect(rest).toEqual([]);
    expect([cold, middle, hot].map((regime) => regime?.method)).toEqual([
      "sparse",
      "scatterbrain",
      "low-rank",
    ]);
    expect([cold?.from, cold?.to, middle?.to, hot?.to]).toEqual([0.1, middle?.from, hot?.from, 10]);
    // Halfway in the logarithms.
    expect(Math.log10(middle?.from ?? 1)).toBeCloseTo(-0.5, 1);
    expect(Math.log10(middle?.to ?? 1)).toBeCloseTo(0.5, 1);
  });

  it("knows none, one, and some that come again", () => {
    const methods = (...points: CurvePoint[]) => regimesOf(points).map(({ method }) => method);
    expect(methods()).toEqual([]);
    expect(methods(point(1, 1, 1, 1))).toEqual([]);
    expect(regimesOf([point(1, 2, 2, 1), point(10, 2, 2, 1)])).toEqual([
      { method: "scatterbrain", from: 1, to: 10 },
    ]);
    const again = [point(1, 2, 3, 1), point(2, 1, 3, 2), point(4, 2, 3, 1)];
    expect(methods(...again)).toEqual(["scatterbrain", "sparse", "scatterbrain"]);
    expect(methods(point(1, 1, 1, 0.995), point(2, 1, 1, 0.995))).toEqual(["sparse"]);
    expect(methods(point(1, 0, 1, 0), point(2, 0, 1, 0))).toEqual(["sparse"]);
  });
});

describe("curveDomain", () => {
  it("starts from the usual and grows, within reason", () => {
    expect(curveDomain([])).toEqual({ low: 0.01, high: 2 });
    expect(curveDomain([point(1, 0.002, 5, 1)])).toEqual({ low: 0.002, high: 5 });
    expect(curveDomain([point(1, 0, 1e6, Number.NaN)])).toEqual({ low: 1e-4, high: 100 });
  });
});

describe("Latest", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A job of so many milliseconds that writes down how it ended. */
  const job = (name: string, milliseconds: number, log: string[]) => (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      log.push(`${name} starts`);
      const timer = setTimeout(() => {
        log.push(`${name} ends`);
        resolve();
      }, milliseconds);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        log.push(`${name} aborted`);
        resolve();
      });
    });

  it("runs one at a time and skips all that wait but the newest", async () => {
    const log: string[] = [];
    const latest = new Latest(1000);
    for (const name of ["a", "b", "c"]) latest.run(job(name, 100, log));
    expect(latest.busy).toBe(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(log).toEqual(["a starts", "a ends", "c starts", "c ends"]);
    expect(latest.busy).toBe(false);
  });

  it("aborts a slow one when a newer one has waited long enough", async () => {
    const log: string[] = [];
    const latest = new Latest(300);
    latest.run(job("slow", 5000, log));
    await vi.advanceTimersByTimeAsync(100);
    latest.run(job("b", 10, log));
    await vi.advanceTimersByTimeAsync(150);
    expect(log).toEqual(["slow starts"]);
    await vi.advanceTimersByTimeAsync(300);
    expect(log).toEqual(["slow starts", "slow aborted", "b starts", "b ends"]);
    latest.run(job("slow", 5000, log));
    await vi.advanceTimersByTimeAsync(400);
    latest.run(job("c", 10, log));
    await vi.advanceTimersByTimeAsync(20);
    expect(log.slice(4)).toEqual(["slow starts", "slow aborted", "c starts", "c ends"]);
  });

  it("never aborts a long drag into showing nothing", async () => {
    const log: string[] = [];
    const latest = new Latest(300);
    for (let i = 0; i < 50; i++) {
      latest.run(job(`${i}`, 80, log));
      await vi.advanceTimersByTimeAsync(16);
    }
    await vi.runAllTimersAsync();
    expect(log.filter((entry) => entry.endsWith("ends")).length).toBeGreaterThan(8);
    expect(log.some((entry) => entry.endsWith("aborted"))).toBe(false);
    expect(log.at(-1)).toBe("49 ends");
  });

  it("cancels what runs and what waits", async () => {
    const log: string[] = [];
    const latest = new Latest(300);
    latest.run(job("a", 100, log));
    latest.run(job("b", 100, log));
    latest.cancel();
    await vi.runAllTimersAsync();
    expect(log).toEqual(["a starts", "a aborted"]);
    expect(latest.busy).toBe(false);
  });
});

describe("poster", () => {
  it("comes back with its numbers, and its pictures to the nearest level", () => {
    const scale: Scale = { kind: "magnitude", transform: "log", low: 0.001, high: 1 };
    const signed: Scale = { kind: "signed", transform: "log", low: 0.001, high: 1 };
    const grid = (values: number[]) => ({ width: 2, height: 2, values: Float32Array.from(values) });
    const errors = { sparse: 0.5, "low-rank": 0.6, scatterbrain: 0.4 };
    const poster: Poster = {
      tokens: 1025,
      causal: true,
      summary: {
        tokens: 1025,
        budgetFloats: 128,
        entropy: 5,
        errors,
        supportPerRow: 64,
        features: 64,
        instructionSet: "simd128",
        backend: "wasm",
        timing: null,
      },
      curve: [{ temperature: 1, entropy: 5, errors }],
      grids: {
        exact: grid([0.001, Number.NEGATIVE_INFINITY, 0.03, 1]),
        lowRank: grid([1, 1, 1, 1]),
        sparse: grid([0, -1, 1, 0]),
        error: grid([0, 0, -0.03, 0.03]),
      },
      scales: { exact: scale, lowRank: scale, sparse: signed, error: signed },
    };
    const back = decodePoster(encodePoster(poster, position).buffer, valueAt);
    const { grids, ...rest } = back;
    const { grids: original, ...expected } = poster;
    expect(rest).toEqual(expected);
    for (const name of ["exact", "lowRank", "sparse", "error"] as const) {
      expect(grids[name].width).toBe(2);
      original[name].values.forEach((value, i) => {
        const found = grids[name].values[i] as number;
        if (value === Number.NEGATIVE_INFINITY) expect(found).toBe(value);
        else {
          const distance = position(poster.scales[name], found) - position(poster.scales[name], value);
          expect(Math.abs(distance)).toBeLessThan(0.6 / 31);
        }
      });
    }
  });
});
