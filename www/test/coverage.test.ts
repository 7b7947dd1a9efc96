import { expect, it } from "vitest";
import { coverageOf } from "../src/lib/coverage.ts";

it("the support, the best of its size and chance, query by query", () => {
  const exact = Float32Array.of(0.5, 0.25, 0.25, 0.125, 0.125, 0.75, 0.25, 0.5, 0.25);
  const support = Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0);
  const coverage = coverageOf(exact, support, 3, false);
  expect([...coverage.support]).toEqual([0.5, 0.75, 0]);
  expect([...coverage.best]).toEqual([0.75, 0.75, 0]);
  expect([...coverage.random]).toEqual([2 / 3, 1 / 3, 0]);
  expect(coverage.entries).toBe(3);
});

it("a causal query chooses among the keys that it sees", () => {
  const exact = Float32Array.of(1, 0, 0, 0.25, 0.75, 0, 0.5, 0.25, 0.25);
  const support = Uint8Array.of(1, 0, 0, 1, 0, 0, 0, 1, 1);
  const coverage = coverageOf(exact, support, 3, true);
  expect([...coverage.support]).toEqual([1, 0.25, 0.5]);
  expect([...coverage.best]).toEqual([1, 0.75, 0.75]);
  expect([...coverage.random]).toEqual([1, 0.5, 2 / 3]);
});

it("no share is above 1, where 32-bit rows sum to more", () => {
  const coverage = coverageOf(
    new Float32Array(9).fill(Math.fround(0.3333334)),
    new Uint8Array(9).fill(1),
    3,
    false,
  );
  expect([...coverage.support, ...coverage.best, ...coverage.random]).toEqual(new Array(9).fill(1));
});
