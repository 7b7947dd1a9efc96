import { describe, expect, it } from "vitest";
import { DEFAULTS, reconcile, STORY, type State } from "../src/lib/state.ts";
import { neighbour, STEPS, stateOf, stayInStep } from "../src/lib/story.ts";
import { decodeState, encodeState } from "../src/lib/url-state.ts";

describe("the steps", () => {
  it.each(STORY)("%s shows what can be computed, and what it offers is in the step too", (step) => {
    const state = stateOf(step);
    expect(reconcile(state)).toEqual({ state, replacements: [], pinReplacements: [] });
    for (const { patch } of STEPS[step].tries) {
      const tried = { ...state, ...patch };
      expect(stayInStep(reconcile(tried).state)).toEqual(tried);
      expect(decodeState(encodeState(tried))).toEqual(tried);
    }
  });

  it("differ in their temperature alone, so that there is one curve for all", () => {
    for (const step of STORY) {
      expect({ ...stateOf(step), temperature: 1, step: null }).toEqual({
        ...stateOf("matrix"),
        step: null,
      });
    }
  });

  it("come one after the other", () => {
    expect(STORY.map((step) => neighbour(step, 1))).toEqual([...STORY.slice(1), null]);
    expect(STORY.map((step) => neighbour(step, -1))).toEqual([null, ...STORY.slice(0, -1)]);
  });

  it("are left by whoever changes what their text speaks of", () => {
    const sharp = stateOf("sharp");
    const moved: State = { ...sharp, temperature: 3, cell: { query: 1, key: 2 }, own: null };
    expect(stayInStep(moved)).toBe(moved);
    const changes: Partial<State>[] = [
      { preset: "clusters" },
      { budget: 0.5 },
      { seed: 2 },
      { clusters: { ...DEFAULTS.clusters, spread: 1 } },
      { span: "own" },
    ];
    for (const change of changes) {
      expect(stayInStep({ ...moved, ...change })).toEqual({ ...moved, ...change, step: null });
    }
  });
});

describe("the story in the address", () => {
  it("is its step and what was moved in it", () => {
    expect(encodeState(stateOf("sharp"))).toBe("?v=1&step=sharp");
    expect(encodeState({ ...stateOf("sharp"), temperature: 1 })).toBe("?v=1&step=sharp&t=1");
    expect(decodeState("?v=1&step=sharp")).toEqual(stateOf("sharp"));
    expect(decodeState("?v=1&step=sharp&t=1").temperature).toBe(1);
  });

  it("is opened by an address that says nothing, and by no other", () => {
    for (const search of ["", "?", "?utm_source=x&fbclid=1"]) {
      expect(decodeState(search)).toEqual(stateOf("matrix"));
    }
    for (const search of [
      "?v=1",
      "?t=5",
      "?v=1&head=clusters",
      "?v=1&step=epilogue",
      "?v=1&step=__proto__",
    ]) {
      expect(decodeState(search).step).toBeNull();
    }
  });

  it("is left by settings that are not the step's", () => {
    expect(decodeState("?v=1&step=flat&head=clusters")).toEqual({
      ...stateOf("flat"),
      preset: "clusters",
      step: null,
    });
  });
});
