import { load } from "scatterbrain-attention";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clusterHead } from "../src/lib/clusters.ts";
import { type MapFormat, mapStart } from "../src/lib/export.ts";
import type { Head } from "../src/lib/head.ts";
import { wholeRegion } from "../src/lib/region.ts";
import { commonOptions, type Question } from "../src/lib/request.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import type { Instance } from "../src/worker/analyse.ts";
import { type Band, Bands, bandsOf } from "../src/worker/bands.ts";
import { computeBand, Matrices } from "../src/worker/matrices.ts";

let sb: Instance;
beforeAll(async () => {
  sb = await load();
});
afterAll(() => sb.dispose());

const state: State = { ...DEFAULTS, temperature: 0.7 };
const small = clusterHead({ tokens: 40, clusters: 4, spread: 0.5, dim: 8, seed: 3 });

it.each([false, true])("explains every entry as computed directly; causal: %s", async (causal) => {
  const head = { ...small, causal };
  const question = causal ? ({ ...state, support: "window", features: "favor" } as const) : state;
  const matrices = new Matrices(sb, head, question);
  const { logNormalizer } = await sb.decompose({
    ...commonOptions(question, head),
    method: "scatterbrain",
    temperature: question.temperature,
  });
  const { tokens, dim, q, k, scale } = head;
  const logitOf = (query: number, key: number) => {
    let dot = 0;
    for (let i = 0; i < dim; i++) dot += (q[query * dim + i] as number) * (k[key * dim + i] as number);
    return [dot, (scale / question.temperature) * dot] as const;
  };
  await matrices.picture({ size: 8, view: null, cell: null });
  const parts = new Set<boolean>();
  for (let query = 0; query < tokens; query++) {
    const keys = causal ? query + 1 : tokens;
    let sum = 0;
    for (let key = 0; key < keys; key++) sum += Math.exp(logitOf(query, key)[1]);
    for (let key = 0; key < tokens; key++) {
      const found = await matrices.entry({ query, key });
      expect(found.masked).toBe(key >= keys);
      if (found.masked) continue;
      const [dot, logit] = logitOf(query, key);
      expect(found).toMatchObject({ query, key, dot, logit });
      expect(found.exact).toBeCloseTo(Math.exp(logit) / sum, 6);
      expect(found.sparse).toBeCloseTo(found.approximation - found.lowRank, 6);
      const onSupport = Math.exp(logit - (logNormalizer[query] as number));
      expect(found.approximation).toBeCloseTo(found.inSupport ? onSupport : found.lowRank, 6);
      expect(found.error).toBeCloseTo(found.approximation - Math.exp(logit) / sum, 6);
      parts.add(found.inSupport);
    }
  }
  expect(parts.size).toBe(2);
  // A single row is the same without the rest.
  const cell = { query: 23, key: 17 };
  expect(await new Matrices(sb, head, question).entry(cell)).toEqual(await matrices.entry(cell));
});

describe("a picture", () => {
  it("has the whole, the part that is shown and the cell under the cursor", async () => {
    const matrices = new Matrices(sb, small, state);
    const view = { query: 8, key: 16, size: 16 };
    const picture = await matrices.picture({ size: 8, view, cell: { query: 9, key: 1000 } });
    expect(picture.grids).toMatchObject(await matrices.grids(wholeRegion(40), 8));
    expect(picture.view).toEqual({ region: view, size: 8, grids: await matrices.grids(view, 8) });
    expect(picture.entry).toEqual(await matrices.entry({ query: 9, key: 39 }));
    const whole = await matrices.picture({ size: 8, view: null, cell: null });
    expect(whole.view).toBeNull();
    expect(whole.entry).toEqual(await matrices.entry(whole.start));
    // The row's largest correction.
    expect(whole.start.query).toBe(20);
    expect(whole.entry.inSupport).toBe(true);
  });

  it("is saved with every number of the region, and what it is", async () => {
    const head = { ...small, causal: true };
    const asked = { ...state, support: "window", features: "favor" } as const;
    const matrices = new Matrices(sb, head, asked);
    const region = { query: 10, key: 8, size: 8 };
    const file = (format: MapFormat) =>
      matrices.write(format, mapStart(format, head, asked, "error", region), "error", region);
    const blob = await file("json");
    const data = JSON.parse(await blob.text());
    expect(data).toMatchObject({
      map: "error",
      tokens: 40,
      causal: true,
      queries: [10, 17],
      keys: [8, 15],
      shape: [8, 8],
      settings: { head: DEFAULTS.preset, temperature: 0.7, seed: 1 },
    });
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        const { masked, error } = await matrices.entry({ query: 10 + i, key: 8 + j });
        const found = data.entries[i][j];
        expect(masked ? found : Math.fround(found)).toBe(masked ? null : error);
      }
    }
    const csv = (await (await file("csv")).text()).trimEnd().split("\n");
    expect(csv[0]).toBe("query,8,9,10,11,12,13,14,15");
    const rows = csv.slice(1).map((line) => line.split(","));
    expect(rows.map(([query]) => Number(query))).toEqual([10, 11, 12, 13, 14, 15, 16, 17]);
    expect(rows.map((row) => row.slice(1).map((text) => (text === "" ? null : Number(text))))).toEqual(
      data.entries,
    );
  });
});

describe("bands", () => {
  it("hold two million entries at most, and all rows that are asked for once", () => {
    expect(bandsOf(0, 256, 256)).toEqual([[0, 256]]);
    // Two threads, two bands.
    expect(bandsOf(0, 1025, 1025)).toEqual([
      [0, 513],
      [513, 1025],
    ]);
    const bands = bandsOf(0, 4097, 4097);
    expect(bands.length).toBe(8);
    expect(bands[0]?.[0]).toBe(0);
    expect(bands.at(-1)?.[1]).toBe(4097);
    bands.slice(1).forEach(([start], i) => {
      expect(start).toBe(bands[i]?.[1]);
    });
    expect(bandsOf(600, 1100, 4097)).toEqual(bands.slice(1, 3));
    expect(bandsOf(1022, 1023, 4097)).toEqual([bands[1]]);
  });

  it("are computed by two threads in turns, and here where the other one fails", async () => {
    const head = clusterHead({ tokens: 300, clusters: 4, spread: 0.5, dim: 8, seed: 3 });
    const look = { size: 8, view: null, cell: { query: 299, key: 7 } };
    const alone = await new Matrices(sb, head, state).picture(look);
    const asked: [number, number][] = [];
    const helped = new Matrices(sb, head, state, {
      elsewhere: (head, question, rows, signal) => {
        asked.push(rows);
        return computeBand(sb, head, question, rows, { signal });
      },
    });
    expect(await helped.picture(look)).toEqual(alone);
    expect(asked).toEqual([[150, 300]]);
    // The band is kept.
    await helped.grids(wholeRegion(300), 8);
    expect(asked.length).toBe(1);
    const elsewhere = () => Promise.reject(new Error("out of order"));
    expect(await new Matrices(sb, head, state, { elsewhere }).picture(look)).toEqual(alone);
  });

  it("that come from two sides are taken once", async () => {
    // Three bands.
    const head = clusterHead({ tokens: 2600, clusters: 4, spread: 0.5, dim: 4, seed: 3 });
    const look = { size: 8, view: null, cell: null };
    const known = new Bands();
    const alone = await new Matrices(sb, head, state, { bands: known }).picture(look);
    const bands = new Bands();
    const elsewhere = async (_head: Head, _question: Question, rows: [number, number]) => {
      const band = known.get("", rows[0]) as Band;
      // As another walk over the same matrices would.
      bands.put("", band);
      return band;
    };
    expect(await new Matrices(sb, head, state, { bands, elsewhere }).picture(look)).toEqual(alone);
  });

  it("that nobody waits for any more are not computed elsewhere either", async () => {
    const head = clusterHead({ tokens: 300, clusters: 4, spread: 0.5, dim: 8, seed: 3 });
    const controller = new AbortController();
    let theirs: AbortSignal | undefined;
    const matrices = new Matrices(sb, head, state, {
      elsewhere: (_head, _question, _rows, signal) => {
        theirs = signal;
        controller.abort();
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    const look = { size: 8, view: null, cell: null };
    await expect(matrices.picture(look, { signal: controller.signal })).rejects.toThrow();
    expect(theirs?.aborted).toBe(true);
  });

  it("are kept up to a limit, those used last and those of the newest picture", async () => {
    const bands = new Bands();
    const band = (first: number, entries: number) =>
      ({ first, exact: { length: entries } }) as Parameters<Bands["put"]>[1];
    for (let i = 0; i < 5; i++) {
      bands.put("a", band(i, 2 ** 21));
      bands.get("a", 0);
    }
    expect([0, 1, 2, 3, 4].map((first) => bands.get("a", first)?.first)).toEqual([0, undefined, 2, 3, 4]);
    bands.put("a b", band(0, 1));
    bands.keepOnly("a b");
    expect([bands.get("a", 4), bands.get("a b", 0)?.first]).toEqual([undefined, 0]);
    bands.keepOnly("a");
    expect(bands.get("a b", 0)).toBeUndefined();
  });
});
