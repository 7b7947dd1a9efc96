import { describe, expect, it } from "vitest";
import { curveCsv, curveFileName, curveJson, mapFileName, mapRow } from "../src/lib/export.ts";
import { DEFAULTS } from "../src/lib/state.ts";

const region = { query: 1, key: 1, size: 2 };

describe("the file of a map", () => {
  it("has numbers that give back every float, and null where there is none", () => {
    const row = Float32Array.of(9, 1 / 3, Number.NaN, 1e-30, 5);
    const found = JSON.parse(mapRow("json", row, 3, { query: 3, key: 1, size: 4 }, true));
    expect(found.map((value: number) => value && Math.fround(value))).toEqual([
      Math.fround(1 / 3),
      null,
      Math.fround(1e-30),
      null,
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
