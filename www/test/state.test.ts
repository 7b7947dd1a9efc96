import { describe, expect, it } from "vitest";
import { supportReason } from "../src/lib/combinations.ts";
import type { OwnHead } from "../src/lib/own.ts";
import { PRESETS } from "../src/lib/presets.ts";
import { commonOptions } from "../src/lib/request.ts";
import {
  curveKey,
  DEFAULTS,
  FEATURES,
  pictureKey,
  RANGES,
  reconcile,
  type State,
  SUPPORTS,
  tokensOf,
} from "../src/lib/state.ts";
import { Store } from "../src/lib/store.ts";
import { decodeState, encodeState, namesOwnHead } from "../src/lib/url-state.ts";

const other: State = {
  preset: "clusters",
  own: null,
  temperature: 0.315,
  budget: 0.07,
  split: 0.3,
  support: "lsh",
  features: "optimal",
  seed: 4294967295,
  clusters: { tokens: 300, clusters: 7, spread: 1.25, dim: 32, seed: 12 },
  backend: "webgpu",
  transform: "sqrt",
  span: "own",
  cell: { query: 12, key: 299 },
  view: { query: 8, key: 250, size: 50 },
  step: null,
  pinned: {
    temperature: 2.5,
    budget: 0.2,
    split: 0.65,
    support: "clusters",
    features: "landmarks",
    seed: 0,
  },
};

const own: OwnHead = {
  id: 1,
  name: "mine.npz",
  files: [],
  heads: 4,
  tokens: 77,
  dim: 8,
  valueDim: 8,
  values: "given",
  scale: 0.5,
  causal: true,
  head: 2,
};

describe("the address", () => {
  it("holds the whole state, both ways", () => {
    expect(decodeState(encodeState(other))).toEqual(other);
    expect(decodeState(encodeState(DEFAULTS))).toEqual(DEFAULTS);
    for (const { id, causal } of PRESETS)
      for (const support of SUPPORTS)
        for (const features of FEATURES) {
          const { state } = reconcile({ ...DEFAULTS, preset: id, support, features });
          expect(decodeState(encodeState(state))).toEqual(state);
          expect(supportReason(state.support, causal)).toBeNull();
        }
  });

  it("names the version and only what is not a default", () => {
    expect(encodeState(DEFAULTS)).toBe("?v=1");
    expect(encodeState({ ...DEFAULTS, temperature: 0.5 })).toBe("?v=1&t=0.5");
  });

  it("says of a head from a file only that there was one", () => {
    const search = encodeState({ ...DEFAULTS, preset: "own", own, support: "window", features: "favor" });
    expect(search).toBe("?v=1&head=own&support=window&features=favor");
    expect(decodeState(search, own)).toMatchObject({ preset: "own", own, support: "window" });
    expect(decodeState(search)).toMatchObject({ preset: DEFAULTS.preset, own: null, support: "window" });
    expect([search, encodeState(DEFAULTS), "?head=own"].map(namesOwnHead)).toEqual([true, false, true]);
  });

  it("reads nothing from another version", () => {
    expect(decodeState("?v=2&t=0.5")).toEqual(DEFAULTS);
    expect(decodeState("?t=0.5").temperature).toBe(0.5);
  });

  it("ignores unknown keys and takes the first of several", () => {
    expect(decodeState("?v=1&utm_source=x&__proto__=1&constructor=2&t=3")).toEqual({
      ...DEFAULTS,
      temperature: 3,
    });
    expect(decodeState("?v=1&t=3&t=4").temperature).toBe(3);
  });

  it("moves numbers into their ranges", () => {
    const state = decodeState(
      "?v=1&t=1e9&budget=-1&split=7&seed=99999999999&n=1e9&clusters=0&spread=-4&dim=1&data-seed=-1",
    );
    expect(state.temperature).toBe(100);
    expect(state.budget).toBe(RANGES.budget.min);
    expect(state.split).toBe(RANGES.split.max);
    expect(state.seed).toBe(RANGES.seed.max);
    expect(state.clusters).toEqual({ tokens: 1024, clusters: 1, spread: 0, dim: 2, seed: 0 });
    expect(decodeState("?v=1&n=100.6").clusters.tokens).toBe(101);
  });

  it.each([
    "?",
    "?v=1&t=",
    "?v=1&t=NaN",
    "?v=1&t=Infinity",
    "?v=1&t=0x10",
    "?v=1&t=1e999",
    "?v=1&t=%00",
    "?v=1&t=%E0%A4%A",
    "?v=1&t=1;alert(1)",
    "?v=1&head=<img src=x onerror=alert(1)>",
    "?v=1&head=../../etc/passwd",
    "?v=1&head=__proto__",
    "?v=1&head=toString",
    "?v=1&support=constructor&features=__proto__",
    "?v=1&scale=javascript:1&span=%22",
    "?v=1&cell=-1-2",
    "?v=1&view=1-2",
    "?v=1&view=99999-0-0",
    "?v=1&view=1-2-3-4",
    "?v=1&view=-1-2-3",
    "?v=1&cell=999999-1",
    "?v=1&cell=1",
    "?v=1&cell[]=1-1",
    "?v=1&seed=1&seed=".repeat(200),
    `?${"x".repeat(100_000)}`,
    "?&&&===&%",
    "?v=1&n[toString]=1",
  ])("is harmless: %s", (search) => {
    const state = decodeState(search);
    // Whatever it was, the result is a state that comes back the same.
    expect(decodeState(encodeState(state))).toEqual(state);
    expect(state.temperature).toBeGreaterThanOrEqual(0.01);
    expect(PRESETS.some((preset) => preset.id === state.preset)).toBe(true);
  });
});

describe("reconcile", () => {
  const causal = { ...DEFAULTS, preset: "smollm2-l12h4" };

  it("replaces what a causal head cannot have, and says why", () => {
    const { state, replacements } = reconcile({ ...causal, support: "smyrf", features: "optimal" });
    expect(state.support).toBe("window");
    expect(state.features).toBe("favor");
    expect(replacements.map(({ what, from, to }) => [what, from, to])).toEqual([
      ["support", "smyrf", "window"],
      ["features", "optimal", "favor"],
    ]);
    expect(replacements.every(({ reason }) => reason.length > 10)).toBe(true);
  });

  it("knows whether the reader's own head is causal", () => {
    expect(reconcile({ ...DEFAULTS, preset: "own", own }).state.support).toBe("window");
    expect(reconcile({ ...DEFAULTS, preset: "own", own: { ...own, causal: false } }).replacements).toEqual(
      [],
    );
    expect(reconcile({ ...DEFAULTS, own }).replacements).toEqual([]);
  });

  it("leaves alone what can be computed", () => {
    const state: State = { ...causal, support: "lsh", features: "taylor-2" };
    expect(reconcile(state)).toEqual({ state, replacements: [], pinReplacements: [] });
    expect(reconcile(DEFAULTS).state).toEqual(DEFAULTS);
  });

  it("has no more clusters than tokens", () => {
    const clusters = { ...DEFAULTS.clusters, tokens: 40, clusters: 64 };
    expect(reconcile({ ...DEFAULTS, clusters }).state.clusters.clusters).toBe(40);
  });
});

describe("what depends on what", () => {
  it("the picture on everything that is computed, the curve on all of that but the temperature", () => {
    const change = (patch: Partial<State>) => {
      const state = { ...DEFAULTS, ...patch };
      return [pictureKey(state) !== pictureKey(DEFAULTS), curveKey(state) !== curveKey(DEFAULTS)];
    };
    expect(change({ temperature: 2 })).toEqual([true, false]);
    expect(change({ seed: 9 })).toEqual([true, true]);
    expect(change({ split: 0.2 })).toEqual([true, true]);
    expect(change({ features: "elu" })).toEqual([true, true]);
    expect(change({ cell: { query: 1, key: 1 } })).toEqual([false, false]);
    expect(change({ transform: "linear", span: "own" })).toEqual([false, false]);
    // The clusters matter only while they are shown.
    expect(change({ clusters: { ...DEFAULTS.clusters, seed: 5 } })).toEqual([false, false]);
    expect(change({ own })).toEqual([false, false]);
    expect(curveKey({ ...DEFAULTS, preset: "own", own })).not.toBe(
      curveKey({ ...DEFAULTS, preset: "own", own: { ...own, head: 1 } }),
    );
  });

  it("tokens come from the head or the clusters", () => {
    expect(tokensOf(DEFAULTS)).toBe(1025);
    expect(tokensOf(other)).toBe(300);
    expect(tokensOf({ ...DEFAULTS, preset: "own", own })).toBe(77);
  });
});

describe("the request", () => {
  it("asks the package for parts without sizes", () => {
    const z = new Float32Array(8);
    const head = { q: z, k: z, v: z, tokens: 4, dim: 2, valueDim: 2, scale: 0.5, causal: false };
    const ask = (features: State["features"]) => commonOptions({ ...DEFAULTS, features }, head);
    expect(ask("favor")).toMatchObject({
      shape: { batch: 1, heads: 1, queries: 4, keys: 4, dim: 2, valueDim: 2, kvHeads: 1 },
      support: { kind: "smyrf" },
      features: { kind: "favor" },
      scale: 0.5,
      budget: 0.125,
      split: 0.5,
      seed: 1,
    });
    expect(ask("favor-hyperbolic").features).toEqual({ kind: "favor", hyperbolic: true });
    expect(ask("favor-centred").features).toEqual({ kind: "favor", center: true });
    expect(ask("optimal").features).toEqual({ kind: "optimal" });
    expect(ask("elu").features).toEqual({ kind: "elu" });
    expect(ask("taylor-2").features).toEqual({ kind: "taylor", order: 2 });
  });
});

describe("Store", () => {
  it("tells its listeners the new state, the old one and the kind of step", () => {
    const store = new Store(DEFAULTS);
    const heard: unknown[] = [];
    store.subscribe((state, previous, step) => heard.push([state.seed, previous.seed, step]));
    store.set({ ...DEFAULTS, seed: 5 }, "push");
    expect(heard).toEqual([[5, 1, "push"]]);
    expect(store.state.seed).toBe(5);
  });
});
