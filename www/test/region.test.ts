import { describe, expect, it } from "vitest";
import {
  clampRegion,
  describeRegion,
  follow,
  LEAST_SIZE,
  pan,
  wholeRegion,
  zoomAbout,
  zoomAt,
  zoomKey,
} from "../src/lib/region.ts";

const n = 1025;

describe("a region", () => {
  it("is brought into the matrix, whatever it was", () => {
    expect(clampRegion(null, n)).toEqual(wholeRegion(n));
    expect(clampRegion({ query: 99999, key: -5, size: 100 }, n)).toEqual({ query: 925, key: 0, size: 100 });
    expect(clampRegion({ query: 5, key: 5, size: 99999 }, n)).toEqual(wholeRegion(n));
    expect(clampRegion({ query: 5, key: 5, size: 0 }, n).size).toBe(LEAST_SIZE);
    expect(clampRegion({ query: 5, key: 5, size: 8 }, 4)).toEqual(wholeRegion(4));
  });

  it("keeps what is under the pointer when it is zoomed", () => {
    let region = wholeRegion(n);
    // Entry (256, 768) lies at (0.75, 0.25).
    for (let i = 0; i < 5; i++) region = zoomAt(region, 0.5, 0.75, 0.25, n);
    expect(Math.abs(region.size - 32)).toBeLessThan(2);
    expect((256.25 - region.query) / region.size).toBeCloseTo(0.25, 1);
    expect((768.75 - region.key) / region.size).toBeCloseTo(0.75, 1);
    for (let i = 0; i < 9; i++) region = zoomAt(region, 0.5, 0.75, 0.25, n);
    expect(region.size).toBe(LEAST_SIZE);
    for (let i = 0; i < 9; i++) region = zoomAt(region, 2, 0.1, 0.9, n);
    expect(region).toEqual(wholeRegion(n));
  });

  it("zooms about a cell that is seen, else about its middle", () => {
    const region = { query: 100, key: 200, size: 100 };
    expect(zoomAbout(region, 0.5, { query: 100, key: 299 }, n)).toEqual({ query: 100, key: 250, size: 50 });
    expect(zoomAbout(region, 0.5, { query: 0, key: 0 }, n)).toEqual({ query: 125, key: 225, size: 50 });
  });

  it("moves with a drag and stops at the edges", () => {
    const region = { query: 100, key: 200, size: 100 };
    expect(pan(region, 0.1, -0.5, n)).toEqual({ query: 150, key: 190, size: 100 });
    expect(pan(region, 9, 9, n)).toEqual({ query: 0, key: 0, size: 100 });
    expect(pan(region, -99, -99, n)).toEqual({ query: 925, key: 925, size: 100 });
  });

  it("follows a cell by the least move", () => {
    const region = { query: 100, key: 200, size: 100 };
    expect(follow(region, { query: 150, key: 250 }, n)).toEqual(region);
    expect(follow(region, { query: 200, key: 199 }, n)).toEqual({ query: 101, key: 199, size: 100 });
    expect(follow(region, { query: 0, key: 1024 }, n)).toEqual({ query: 0, key: 925, size: 100 });
  });

  it("is written out", () => {
    expect(describeRegion(wholeRegion(n), n)).toBe("Queries 0–1,024, keys 0–1,024");
    expect(describeRegion({ query: 8, key: 512, size: 64 }, n)).toBe("Queries 8–71, keys 512–575 of 1,025");
  });

  it("has keys, none of them the browser's", () => {
    const press = (key: string, ctrlKey = false) =>
      zoomKey({ key, ctrlKey, shiftKey: false, metaKey: false, altKey: false });
    expect(["+", "=", "-", "_"].map((key) => press(key))).toEqual([0.5, 0.5, 2, 2]);
    expect([press("0"), press("Escape")]).toEqual(["whole", "whole"]);
    expect([press("+", true), press("0", true), press("a")]).toEqual([null, null, null]);
  });
});
