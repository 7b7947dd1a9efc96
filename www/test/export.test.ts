import { describe, expect, it } from "vitest";
import { curveCsv, curveFileName, curveJson, mapFileName, mapJson } from "../src/lib/export.ts";
import type { Picture } from "../src/lib/results.ts";
import { DEFAULTS } from "../src/lib/state.ts";

const region = { query: 1, key: 1, size: 2 };

describe("the file of a map", () => {
  it("has every number of the region, and what it is", async () => {
    const exact = Float32Array.of(1, 0, 0, 0.1, 0.9, 0, 1 / 3, Number.NaN, 1e-30);
    const picture = { tokens: 3, causal: true, exact } as Picture;
    const data = JSON.parse(
      (await mapJson(picture, { ...DEFAULTS, temperature: 0.5 }, "exact", region)).join(""),
    );
    expect(data).toMatchObject({
      map: "exact",
      tokens: 3,
      queries: [1, 2],
      keys: [1, 2],
      shape: [2, 2],
      settings: { head: DEFAULTS.preset, temperature: 0.5, seed: 1 },
    });
    expect(data.entries.map((row: number[]) => row.map((value) => value && Math.fround(value)))).toEqual([
      [Math.fround(0.9), null],
      [null, Math.fround(1e-30)],
    ]);
  });

  it("is named after what is in it", () => {
    expect(mapFileName({ ...DEFAULTS, temperature: 0.5 }, "lowRank", region, "png")).toBe(
      `${DEFAULTS.preset}-t0.5-low-rank-q1-2-k1-2.png`,
    );
    expect(curveFileName(DEFAULTS, "csv")).toBe(`${DEFAULTS.preset}-curve.csv`);
  });
});

it("the curve is a table and JSON", () => {
  const points = [
    { temperature: 0.1, entropy: 1.5, errors: { sparse: 0.1, "low-rank": 0.2, scatterbrain: 0.05 } },
    { temperature: 1, entropy: 3, errors: { sparse: 0.5, "low-rank": 0.1, scatterbrain: 0.09 } },
  ];
  expect(curveCsv(points)).toBe(
    "temperature,sparse,low-rank,scatterbrain,entropy\n0.1,0.1,0.2,0.05,1.5\n1,0.5,0.1,0.09,3\n",
  );
  const data = JSON.parse(curveJson(points, { ...DEFAULTS, preset: "clusters" }));
  expect(data.points).toEqual(points);
  expect(data.settings.clusters).toEqual(DEFAULTS.clusters);
});
