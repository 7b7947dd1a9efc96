import { describe, expect, it } from "vitest";
import { compareErrors, compareInWords, type Side } from "../src/lib/comparison.ts";
import { decodePin, encodePin, pinnedState, sameHead, swap } from "../src/lib/pin.ts";
import { type Question, questionOf } from "../src/lib/request.ts";
import type { Summary } from "../src/lib/results.ts";
import { DEFAULTS, FEATURES, pictureKey, RANGES, reconcile, type State, SUPPORTS } from "../src/lib/state.ts";
import { decodeState, encodeState } from "../src/lib/url-state.ts";

const settings: Question = {
  temperature: 0.315,
  budget: 0.07,
  split: 0.35,
  support: "lsh",
  features: "favor-hyperbolic",
  seed: 4294967295,
};
const compared: State = { ...DEFAULTS, pinned: settings };

describe("what is pinned, in the address", () => {
  it("is one value that comes back the same", () => {
    expect(encodePin(settings)).toBe("1_t0.315_b0.07_s0.35_lsh_favor-hyperbolic_seed4294967295");
    for (const support of SUPPORTS)
      for (const features of FEATURES) {
        const question = { ...settings, support, features };
        expect(decodePin(encodePin(question))).toEqual(question);
      }
    expect(encodeState(compared)).toBe(`?v=1&with=${encodePin(settings)}`);
    expect(decodeState(encodeState(compared))).toEqual(compared);
    // The defaults are written out: they may become others.
    expect(encodePin(DEFAULTS)).toBe("1_t1_b0.125_s0.5_smyrf_favor-centred_seed1");
  });

  it("has its numbers moved into their ranges", () => {
    expect(decodePin("1_t1e9_b-1_s7_window_favor_seed99999999999")).toEqual({
      temperature: RANGES.temperature.max,
      budget: RANGES.budget.min,
      split: RANGES.split.max,
      support: "window",
      features: "favor",
      seed: RANGES.seed.max,
    });
  });

  it.each([
    null,
    "",
    "1",
    "2_t1_b0.125_s0.5_smyrf_favor_seed1",
    "t1_b0.125_s0.5_smyrf_favor_seed1",
    "1_t1_b0.125_s0.5_smyrf_favor",
    "1_t1_b0.125_s0.5_smyrf_favor_seed1_x",
    "1_tNaN_b0.125_s0.5_smyrf_favor_seed1",
    "1_tInfinity_b0.125_s0.5_smyrf_favor_seed1",
    "1_t0x10_b0.125_s0.5_smyrf_favor_seed1",
    "1_t1_b_s0.5_smyrf_favor_seed1",
    "1_t1_b0.125_s0.5_constructor_favor_seed1",
    "1_t1_b0.125_s0.5_smyrf___proto___seed1",
    "1_t1_b0.125_s0.5_smyrf_toString_seed1",
    "1_t1_b0.125_s0.5_favor_smyrf_seed1",
    "1_t1_b0.125_s0.5_smyrf_favor_seed-1",
    `1_t1_b0.125_s0.5_smyrf_favor_seed${"9".repeat(400)}`,
    "<img src=x onerror=alert(1)>",
    "_".repeat(1900),
  ])("is nothing where a part is no value: %s", (text) => {
    expect(decodePin(text)).toBeNull();
    expect(decodeState(`?v=1&t=2&with=${encodeURIComponent(text ?? "")}`)).toEqual({
      ...DEFAULTS,
      temperature: 2,
    });
  });

  it("is reconciled with the head, and says so apart from the settings", () => {
    const causal = { ...DEFAULTS, preset: "smollm2-l12h4", support: "lsh", features: "favor" } as const;
    const { state, replacements, pinReplacements } = reconcile({
      ...causal,
      pinned: { ...settings, support: "smyrf", features: "optimal" },
    });
    expect(state.pinned).toEqual({ ...settings, support: "window", features: "favor" });
    expect(replacements).toEqual([]);
    expect(pinReplacements.map(({ what, from, to }) => [what, from, to])).toEqual([
      ["support", "smyrf", "window"],
      ["features", "optimal", "favor"],
    ]);
    const search = "?v=1&head=smollm2-l12h4&with=1_t1_b0.125_s0.5_smyrf_favor-centred_seed1";
    expect(decodeState(search).pinned).toMatchObject({ support: "window", features: "favor" });
  });
});

describe("swap", () => {
  it("puts each in the other's place, and twice changes nothing", () => {
    const swapped = swap({ ...compared, preset: "clusters", cell: { query: 1, key: 2 } });
    expect(questionOf(swapped)).toEqual(settings);
    expect(swapped.pinned).toEqual(questionOf(DEFAULTS));
    expect(swapped).toMatchObject({ preset: "clusters", cell: { query: 1, key: 2 } });
    expect(swap(swap(compared))).toEqual(compared);
    expect(swap(DEFAULTS)).toBe(DEFAULTS);
  });
});

describe("the picture of what is pinned", () => {
  it("does not depend on the settings, but on the head", () => {
    const key = (state: State) => pictureKey(pinnedState(state) as State);
    expect(pinnedState(DEFAULTS)).toBeNull();
    expect(key({ ...compared, temperature: 9, seed: 3, support: "window" })).toBe(key(compared));
    expect(key({ ...compared, preset: "clusters" })).not.toBe(key(compared));
    expect(pictureKey(compared)).toBe(pictureKey(DEFAULTS));
    expect(sameHead(compared, { ...DEFAULTS, budget: 1 })).toBe(true);
    expect(sameHead(compared, { ...DEFAULTS, preset: "clusters" })).toBe(false);
  });
});

describe("in words", () => {
  const side = (error: number, patch: Partial<Question> = {}, more: Partial<Summary> = {}): Side => ({
    question: { ...settings, ...patch },
    summary: {
      tokens: 1000,
      budgetFloats: 70,
      entropy: 3,
      errors: { sparse: 0.5, "low-rank": 0.5, scatterbrain: error },
      supportPerRow: 20,
      features: 40,
      instructionSet: "simd128",
      backend: "wasm",
      timing: null,
      ...more,
    },
  });
  const b = { seed: 5 };

  it("says which error is the larger one, and by how much", () => {
    expect(compareInWords(side(0.1), side(0.18, b))).toBe("B has 1.8 times the error of A.");
    expect(compareInWords(side(0.3), side(0.01, b))).toBe("A has 30 times the error of B.");
    expect(compareInWords(side(0.1), side(0.104, b))).toBe("B has 1.04 times the error of A.");
    expect(compareInWords(side(0.1), side(0.1002, b))).toBe("A and B have the same error.");
  });

  it("does without a ratio where there is none", () => {
    expect(compareInWords(side(0), side(0.25, b))).toBe("A has no error, B has 0.250.");
    expect(compareInWords(side(0), side(0, b))).toBe("A and B have the same error.");
    expect(compareInWords(side(Number.NaN), side(1, b))).toBe("The errors of A and B cannot be compared.");
    expect(compareInWords(side(0.1), side(Number.POSITIVE_INFINITY, b))).toMatch(/cannot be compared/);
  });

  it("says what makes the comparison unequal", () => {
    expect(compareInWords(side(0.1), side(0.1))).toMatch(/same settings so far/);
    expect(compareInWords(side(0.1), side(0.2, { budget: 0.14 }, { budgetFloats: 140 }))).toBe(
      "B has 2.0 times the error of A, with 70 floats per query in A and 140 in B.",
    );
    expect(compareErrors(side(0.1), side(0.2, { budget: 0.14 }, { budgetFloats: 140 }))).toBe(
      "B has 2.0 times the error of A.",
    );
    expect(compareInWords(side(0.1), side(0.2, { temperature: 2 }))).toMatch(/different matrices/);
    expect(
      compareInWords(side(0.1, {}, { features: 71 }), side(0.2, { features: "taylor-2" }, { features: 153 })),
    ).toMatch(/features of A and of B take more than the budget/);
  });
});
