import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, it } from "vitest";
import { BACKENDS } from "../src/lib/backend.ts";
import { featuresReason, supportReason } from "../src/lib/combinations.ts";
import { PRESETS } from "../src/lib/presets.ts";
import { LEAST_SIZE } from "../src/lib/region.ts";
import {
  FEATURES,
  isCausal,
  RANGES,
  type Range,
  SPANS,
  type State,
  SUPPORTS,
  TRANSFORMS,
} from "../src/lib/state.ts";
import { decodeState, encodeState, namesOwnHead } from "../src/lib/url-state.ts";

const KEYS =
  "v head t budget split support features seed n clusters spread dim data-seed backend scale span cell view".split(
    " ",
  );

const WORDS = [
  // No numbers, or not the ones they look like.
  "NaN -NaN Infinity -Infinity 1e999 -1e999 1e-999 0x10 0b1 1_000 -0 00 1. .5 1e5 1,5 ١٢ １２ 1e --1 1n 1/3 + -1 2 2.5 100.6",
  "1-1 99999-99999 999999-1 999999-1-8 8-8-8 0-0-0 99999-99999-99999 1-2-3-4 -1--1--1 1e3-1e3",
  // What objects have without being asked.
  "__proto__ constructor prototype toString valueOf hasOwnProperty __defineGetter__ null undefined true [] {}",
  // Code, in several languages.
  "<script>alert(1)</script> javascript:alert(1) data:text/html,x file:/// //example.org/ ../../etc/passwd",
  '<svg/onload=alert(1)> "onfocus="alert(1) \';-- {{1+1}} #{1+1} %n%s',
  // Escapes that are none, and escapes of escapes.
  "% %% %zz %E0%A4%A %C0%AF %00 %ff%fe %25%32%35 %u0041 %F4%90%80%80",
  "clusters own",
].flatMap((line) => line.split(" "));

const TEXTS = ["", " ", "\0", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\u2028", "\n1-2", "1-2 "].concat(
  ["[object Object]", "<img src=x onerror=alert(1)>", '{"__proto__": {"x": 1}}'],
  ["9".repeat(20), "9".repeat(400), "e\u0301".repeat(200), "😀".repeat(99)],
  ["x".repeat(1_900), "x".repeat(100_000)],
);

const VALUES = [...WORDS, ...TEXTS];

/** The same, with everything escaped that can be. */
const escaped = (key: string, value: string) => new URLSearchParams({ [key]: value }).toString();

const range = (value: number, { min, max, integer = false }: Range & { integer?: boolean }) =>
  value >= min && value <= max && (!integer || Number.isInteger(value));
const index = (value: number, least = 0) => Number.isInteger(value) && value >= least && value <= 99_999;

/** Whatever it was read from, this can be computed. Names what is wrong with it. */
function faults(state: State): string[] {
  const { clusters, cell, view } = state;
  const causal = isCausal(state);
  const holds: Record<string, boolean> = {
    preset: PRESETS.some(({ id }) => id === state.preset),
    own: state.own === null,
    temperature: range(state.temperature, RANGES.temperature),
    budget: range(state.budget, RANGES.budget),
    split: range(state.split, RANGES.split),
    support: SUPPORTS.includes(state.support) && supportReason(state.support, causal) === null,
    features:
      FEATURES.includes(state.features) && featuresReason(state.features, causal, state.support) === null,
    seed: range(state.seed, RANGES.seed),
    tokens: range(clusters.tokens, RANGES.tokens),
    clusters: range(clusters.clusters, RANGES.clusters) && clusters.clusters <= clusters.tokens,
    spread: range(clusters.spread, RANGES.spread),
    dim: range(clusters.dim, RANGES.dim),
    "data seed": range(clusters.seed, RANGES.dataSeed),
    backend: BACKENDS.includes(state.backend),
    transform: TRANSFORMS.includes(state.transform),
    span: SPANS.includes(state.span),
    cell: !cell || (index(cell.query) && index(cell.key)),
    view: !view || (index(view.query) && index(view.key) && index(view.size, LEAST_SIZE)),
  };
  return Object.keys(holds).filter((name) => !holds[name]);
}

function check(search: string): void {
  const state = decodeState(search);
  const shown = search.slice(0, 300);
  expect([shown, faults(state)]).toEqual([shown, []]);
  // And it comes back the same from the address that the page then shows.
  const written = encodeState(state);
  expect([shown, decodeState(written)]).toEqual([shown, state]);
  expect([shown, /[<>"'`\\\s]/.test(written), written.length < 500]).toEqual([shown, false, true]);
  expect(typeof namesOwnHead(search)).toBe("boolean");
}

describe("an address made by someone else", () => {
  it("may hold anything for any key", { timeout: 60_000 }, () => {
    for (const value of VALUES) {
      for (const key of KEYS) {
        for (const pair of [`${key}=${value}`, escaped(key, value)]) {
          check(`?${pair}`);
          if (key !== "v") check(`?v=1&head=clusters&${pair}`);
        }
      }
    }
  });

  it("may hold anything as a key", () => {
    for (const value of VALUES) {
      check(`?v=1&${value}=1&t=2`);
      check(`?v=1&${escaped(value, value)}`);
      check(`?v=1&t[${value}]=1&t.${value}=1`);
    }
  });

  it("may hold keys many times, and everything at once", () => {
    for (const value of VALUES) {
      check(`?${KEYS.map((key) => `${key}=${value}`).join("&")}`);
      check(
        `?v=1&${KEYS.slice(1)
          .map((key) => `${key}=${value}&${key}=1`)
          .join("&")}`,
      );
      check(`?v=1&t=${value}`.repeat(50));
    }
    expect(decodeState("?v=1&t=NaN&t=3").temperature).toBe(1);
  });

  it("may be noise", () => {
    const generator = xoroshiro128plus(7);
    const below = (limit: number) => uniformInt(generator, 0, limit - 1);
    const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
    const pieces: (() => string)[] = [
      () => pick(KEYS),
      () => pick(VALUES).slice(0, 60),
      () => pick(["=", "&", "?", "#", "%", "+", ";", "[", "]", "-", ".", "e"]),
      () => String.fromCharCode(below(0x10000)),
      () => `%${below(256).toString(16)}`,
      () => String(below(1e9) - 5e8),
    ];
    for (let i = 0; i < 2_000; i++) {
      check(`?${i % 2 ? "v=1&" : ""}${Array.from({ length: below(40) }, () => pick(pieces)()).join("")}`);
    }
    for (let i = 0; i < 2_000; i++) {
      const pairs = Array.from({ length: below(20) }, () => `${pick(KEYS.slice(1))}=${pick(pieces)()}`);
      check(`?v=1&${pairs.join("&")}`);
    }
  });

  it("leaves nothing behind", () => {
    for (const key of ["__proto__", "constructor.prototype", "__proto__[x]", "__proto__.x"]) {
      decodeState(`?v=1&${key}=polluted&x=polluted`);
    }
    expect("x" in {}).toBe(false);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
