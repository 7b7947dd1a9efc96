import { readFileSync } from "node:fs";
import { randomNormal } from "d3-random";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { load } from "scatterbrain-attention";
import { describe, expect, it } from "vitest";
import { median, powerLaw } from "../src/figures/fit.ts";
import { bandsOf, crossings, mostEntropy, wins } from "../src/figures/heads/bands.ts";
import type { HeadPoint } from "../src/figures/heads/data.ts";
import type { ScalingPoint } from "../src/figures/scaling/data.ts";
import { crossing, exponent, extrapolated, measured } from "../src/figures/scaling/laws.ts";
import { Groups } from "../src/figures/seeds/groups.ts";
import { rowOf } from "../src/figures/seeds/row.ts";
import { optimalTilt, relativeVariance, UNBIASED, type Unbiased } from "../src/figures/seeds/variance.ts";
import { clusterHead } from "../src/lib/clusters.ts";
import { formatBytes } from "../src/lib/format.ts";
import { plainOptions } from "../src/lib/request.ts";
import { DEFAULTS } from "../src/lib/state.ts";

const normals = (seed: number) => {
  const generator = xoroshiro128plus(seed);
  return randomNormal.source(() => uniformFloat64(generator))(0, 1);
};

describe("fits", () => {
  it("find the law that points follow", () => {
    const law = powerLaw([1, 2, 4, 8].map((x) => ({ x, y: 3 * x ** -0.5 })));
    expect(law?.exponent).toBeCloseTo(-0.5, 12);
    expect(law?.factor).toBeCloseTo(3, 12);
    // Of a zero there is no logarithm: it does not count.
    const rest = [{ x: 1, y: 0 }, ...[2, 4].map((x) => ({ x, y: x ** 2 }))];
    expect(powerLaw(rest)?.exponent).toBeCloseTo(2, 12);
    expect(powerLaw([{ x: 1, y: 1 }])).toBeNull();
    expect(powerLaw([])).toBeNull();
  });

  it("take the middle, or halfway between the middle two", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 2, 9])).toBe(3);
    expect(median([])).toBeNaN();
  });
});

describe("heads by entropy", () => {
  const point = (entropy: number, sparse: number, lowRank: number, both: number): HeadPoint => ({
    ...{ head: "a", chosen: false, temperature: 1, entropy },
    errors: { sparse, "low-rank": lowRank, scatterbrain: both },
  });
  // Sparse worsens and low rank improves; they cross at 0.5.
  const points = Array.from({ length: 41 }, (_, i) => i / 40).map((x) =>
    point(x, Math.exp(x - 0.5), Math.exp(0.5 - x), x > 0.4 && x < 0.6 ? 0.5 : 2),
  );

  it("are cut into bands that border on each other", () => {
    const bands = bandsOf([...points].reverse());
    expect(bands.length).toBe(6);
    expect([bands[0]?.from, bands.at(-1)?.to]).toEqual([0, 1]);
    for (const [i, band] of bands.slice(1).entries()) expect(band.from).toBe(bands[i]?.to);
    expect(bands.map(({ best }) => best)).toEqual([
      ...["sparse", "sparse"],
      ...bands.slice(2, 4).map(({ best }) => best),
      ...["low-rank", "low-rank"],
    ]);
    expect(bands[0]?.errors.sparse).toBeCloseTo(Math.exp((bands[0]?.entropy ?? 0) - 0.5), 12);
    expect(bandsOf(points.slice(0, 5))).toEqual([]);
  });

  it("have their lines cross where they do, and winners counted", () => {
    const [place, ...more] = crossings(bandsOf(points));
    expect(place).toBeCloseTo(0.5, 6);
    expect(more).toEqual([]);
    expect(crossings(bandsOf(points.filter(({ entropy }) => entropy > 0.55)))).toEqual([]);
    expect(wins(points, "scatterbrain")).toBe(7);
    expect(wins([point(0, 1, 1.005, 3)], "sparse")).toBe(0);
    expect(wins([point(0, 1, 1.02, 3)], "sparse")).toBe(1);
  });

  it("are measured by the most entropy that a row can have", () => {
    expect(mostEntropy(100, false)).toBe(Math.log(100));
    expect(mostEntropy(3, true)).toBeCloseTo((Math.log(1) + Math.log(2) + Math.log(3)) / 3, 12);
  });
});

describe("cost by length", () => {
  const point = (tokens: number, exact: number | null, both: number): ScalingPoint => ({
    tokens,
    costs: {
      scatterbrain: { milliseconds: both, bytes: 10 * tokens },
      ...(exact === null ? {} : { exact: { milliseconds: exact, bytes: tokens } }),
    },
  });
  const points = [
    point(512, 1, 4),
    point(1024, 4, 8),
    point(2048, 16, 16 / 2 ** 0.5),
    point(4096, 64, 20),
    point(8192, null, 30),
  ];

  it("grows with an exponent, and goes on with the square where it was not measured", () => {
    expect(exponent(points, "exact", "milliseconds")).toBeCloseTo(2, 12);
    expect(exponent(points, "scatterbrain", "bytes")).toBeCloseTo(1, 12);
    expect(exponent(points, "sparse", "bytes")).toBeUndefined();
    expect(extrapolated(points)).toEqual([
      { x: 4096, y: 64 },
      { x: 8192, y: 256 },
    ]);
    expect(extrapolated(points.slice(0, 4))).toEqual([]);
    expect(extrapolated([])).toEqual([]);
  });

  it("crosses between two lengths, in the logarithms", () => {
    const [ours, exact] = (["scatterbrain", "exact"] as const).map((line) =>
      measured(points, line, "milliseconds"),
    ) as [ReturnType<typeof measured>, ReturnType<typeof measured>];
    // A factor of two too slow at 1,024, of the root of two too fast at 2,048.
    expect(crossing(ours, exact)).toBeCloseTo(1024 * 2 ** (2 / 3), 6);
    expect(crossing(exact, ours)).toBeNull();
    expect(crossing(ours.slice(2), exact)).toBeCloseTo(2048, 9);
    expect(crossing([], exact)).toBeNull();
  });

  it("is told in bytes by their thousands", () => {
    expect([1, 1023, 1024, 4 * 2 ** 20, 1.5 * 2 ** 30].map(formatBytes)).toEqual([
      ...["1\u00a0bytes", "1020\u00a0bytes", "1\u00a0KiB", "4\u00a0MiB", "1.5\u00a0GiB"],
    ]);
  });
});

describe("the mean over seeds", () => {
  it("is taken over groups that share no seed", () => {
    const groups = new Groups((mean) => mean[0] as number);
    for (const x of [1, 3, 5, 7, 100]) groups.add(Float64Array.of(x));
    expect(groups.medians((x) => x)).toEqual([
      { size: 1, value: 5 },
      { size: 2, value: 4 },
      { size: 4, value: 4 },
    ]);
  });

  /** Features along independent directions, one by one, as the papers define them. */
  function sampled(
    kind: Unbiased,
    q: number[],
    k: number[],
    spread: number,
  ): { mean: number; variance: number } {
    const normal = normals(5);
    const dim = q.length;
    const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
    const exact = Math.exp(dot(q, k));
    const tilt = kind === "optimal" ? optimalTilt(spread, dim) : 0;
    const feature = (w: number[], x: number[]) =>
      (1 - 4 * tilt) ** (dim / 4) *
      Math.exp(tilt * dot(w, w) + Math.sqrt(1 - 4 * tilt) * dot(w, x) - dot(x, x) / 2);
    let [sum, squares] = [0, 0];
    const draws = 200_000;
    for (let i = 0; i < draws; i++) {
      const w = Array.from({ length: dim }, normal);
      let share = (feature(w, q) * feature(w, k)) / exact;
      if (kind === "favor-hyperbolic") {
        const back = w.map((x) => -x);
        share = (share + (feature(back, q) * feature(back, k)) / exact) / 2;
      }
      sum += share;
      squares += share ** 2;
    }
    return { mean: sum / draws, variance: squares / draws - (sum / draws) ** 2 };
  }

  it.each(["favor", "favor-hyperbolic", "optimal"] as const)(
    "%s: exact, with the variance of its formula",
    (kind) => {
      const [q, k] = [
        [0.5, -0.2, 0.3],
        [0.2, 0.1, -0.4],
      ];
      const z = q.reduce((sum, x, i) => sum + (x + (k[i] as number)) ** 2, 0);
      // Both signs of a direction are two features.
      const count = kind === "favor-hyperbolic" ? 2 : 1;
      const { mean, variance } = sampled(kind, q, k, 0.7);
      const predicted = relativeVariance({ kind, count, dim: 3, spread: 0.7 }, z);
      expect(mean).toBeCloseTo(1, 1);
      expect(variance / predicted).toBeGreaterThan(0.95);
      expect(variance / predicted).toBeLessThan(1.05);
    },
  );

  it("has somewhat less variance with orthogonal directions, as the project measured", () => {
    const path = new URL("../../data/theory/variance.json", import.meta.url);
    const rows: { d: number; t: number; mse_features: number }[] = JSON.parse(readFileSync(path, "utf8"));
    for (const { d, t, mse_features } of rows) {
      // Vectors of length 1 at distance t, logits q·k / 4, 64 features.
      const exact = Math.exp((1 - t ** 2 / 2) / 4);
      const map = { kind: "favor", count: 64, dim: d, spread: 1 } as const;
      const share = mse_features / (relativeVariance(map, (4 - t ** 2) / 4) * exact ** 2);
      expect([share > 0.65, share < 1]).toEqual([true, true]);
    }
    expect(rows.length).toBeGreaterThan(20);
  });

  it("is that of the whole head's features, though one row is computed", async () => {
    const normal = normals(9);
    const made = clusterHead({ tokens: 40, clusters: 4, spread: 0.5, dim: 6, seed: 2 });
    // Queries that are not the keys, and neither around zero.
    const head = { ...made, q: made.q.map(() => 0.4 + 0.3 * normal()), k: made.k.map((x) => x - 0.2) };
    const sb = await load();
    for (const [features, causal] of [
      ...UNBIASED.map((kind) => [kind, false] as const),
      ["favor", true] as const,
    ]) {
      const query = 25;
      const row = rowOf({ ...head, causal }, query, 1, features === "favor-centred");
      const { shape, features: asked, scale } = plainOptions({ ...DEFAULTS, features }, head);
      const sized = { ...asked, count: 8 };
      const common = { scale, method: "low-rank", seed: 3 } as const;
      const whole = await sb.decompose({
        ...{ ...common, q: head.q, k: head.k, v: head.v, shape, causal },
        features: sized,
      });
      const tuned = features === "optimal" ? { ...sized, spread: row.spread } : sized;
      const one = await sb.decompose({
        ...{ ...common, q: row.q, k: row.k, v: row.v },
        shape: { ...shape, queries: row.queries, keys: row.keys },
        features: tuned,
      });
      expect(row.keys).toBe(causal ? query + 1 : head.tokens);
      for (let j = 0; j < row.keys; j++) {
        const at = query * head.tokens + j;
        const log = Math.log(whole.lowRank[at] as number) + (whole.logNormalizer[query] as number);
        const own = Math.log(one.lowRank[j] as number) + (one.logNormalizer[0] as number);
        expect(own).toBeCloseTo(log, 4);
        expect(row.exact[j]).toBeCloseTo(whole.exact[at] as number, 6);
      }
    }
    sb.dispose();
  });
});
