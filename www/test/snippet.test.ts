import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { load } from "scatterbrain-attention";
import { afterAll, describe, expect, it } from "vitest";
import { clusterHead } from "../src/lib/clusters.ts";
import { headFromSafetensors } from "../src/lib/head.ts";
import type { OwnHead } from "../src/lib/own.ts";
import { cutHead, type OwnHeads } from "../src/lib/own-file.ts";
import { presetById } from "../src/lib/presets.ts";
import { snippet } from "../src/lib/snippet.ts";
import { DEFAULTS, FEATURES, reconcile, type State, SUPPORTS } from "../src/lib/state.ts";
import { curvePoint } from "../src/worker/analyse.ts";

/** Within the project, where the package can be imported from. */
const output = fileURLToPath(new URL("../test-output/", import.meta.url));
mkdirSync(output, { recursive: true });
const folder = mkdtempSync(join(output, "snippets-"));
afterAll(() => rmSync(folder, { recursive: true }));

const clusters = { tokens: 96, clusters: 6, spread: 0.6, dim: 8, seed: 2 };
const small: State = { ...DEFAULTS, preset: "clusters", clusters, temperature: 0.2 };

async function run(state: State, name: string) {
  const file = join(folder, `${name}.js`);
  writeFileSync(file, snippet(state, "javascript"));
  const { takeApart } = await import(/* @vite-ignore */ pathToFileURL(file).href);
  return takeApart as (q: Float32Array, k: Float32Array, v: Float32Array) => Promise<Record<string, unknown>>;
}

const own: OwnHead = {
  id: 1,
  name: "mine.json",
  files: [],
  heads: 2,
  tokens: 40,
  dim: 6,
  valueDim: 3,
  values: "given",
  scale: 0.3,
  causal: true,
  head: 1,
};
const wave = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i));
const ownHeads: OwnHeads = {
  facts: own,
  q: { shape: [2, 40, 6], data: wave(480) },
  k: { shape: [2, 40, 6], data: wave(480).reverse() },
  v: { shape: [2, 40, 3], data: wave(240) },
};

describe("the JavaScript", () => {
  const combinations = [
    ...SUPPORTS.map((support) => ({ support, features: "favor" as const })),
    ...FEATURES.map((features) => ({
      support: features === "landmarks" ? ("clusters" as const) : ("window" as const),
      features,
    })),
  ];

  it.each(combinations)("has the page's numbers: $support and $features", async ({ support, features }) => {
    const state = { ...small, support, features };
    const head = clusterHead(clusters);
    const { output, errors, entropy } = await (await run(state, `${support}-${features}`))(
      head.q,
      head.k,
      head.v,
    );
    const sb = await load();
    const point = await curvePoint(sb, head, state, state.temperature);
    sb.dispose();
    expect({ errors, entropy }).toEqual({ errors: point.errors, entropy: point.entropy });
    expect((output as Float32Array).length).toBe(96 * 8);
  });

  it("has them for a captured head and for the reader's own", async () => {
    const captured = reconcile({ ...DEFAULTS, preset: "smollm2-l12h4", temperature: 0.5, seed: 7 }).state;
    const bytes = readFileSync(
      new URL(`../../data/heads/${presetById(captured.preset).file}`, import.meta.url),
    );
    const mine = reconcile({ ...DEFAULTS, preset: "own", own, budget: 0.2, split: 0.3 }).state;
    const sb = await load();
    for (const [name, state, head] of [
      ["captured", captured, headFromSafetensors(new Uint8Array(bytes).buffer)],
      ["own", mine, cutHead(ownHeads, own)],
    ] as const) {
      const { errors, entropy } = await (await run(state, name))(head.q, head.k, head.v);
      const point = await curvePoint(sb, head, state, state.temperature);
      expect({ errors, entropy }).toEqual({ errors: point.errors, entropy: point.entropy });
    }
    sb.dispose();
  });

  it("asks for the GPU where the page does", () => {
    expect(snippet({ ...small, backend: "webgpu" }, "javascript")).toContain('load({ backend: "auto" })');
    expect(snippet(small, "javascript")).toContain("load();");
  });

  it("keeps a file's name inside the comment", async () => {
    const name = "a\nalert(1)\u2028alert(2)\r*/.csv";
    const state: State = { ...DEFAULTS, preset: "own", own: { ...own, name } };
    for (const language of ["javascript", "rust"] as const) {
      const lines = snippet(state, language).split(/[\n\r\u2028\u2029]/);
      const hostile = lines.filter((line) => line.includes("alert"));
      expect(hostile).toEqual([
        expect.stringMatching(/^\/\/\/? Head 1 of a alert\(1\) alert\(2\) \*\/\.csv\.$/),
      ]);
    }
  });
});

describe("the Rust", () => {
  it("names the same options", () => {
    const text = snippet({ ...small, support: "lsh", features: "favor-hyperbolic", temperature: 1 }, "rust");
    expect(text).toBe(`use scatterbrain::analysis::{SweepPoint, sweep};
use scatterbrain::{Features, Method, Options, Result, Stats, Support, Tensor, TensorView, attention_with_stats};

/// Clusters, as in Theorem 1: 96 tokens in 6 clusters of spread 0.6 in 8 dimensions, sample 2; q = k = v.
/// q, k and v are row-major f32: 96 × 8.
pub fn take_apart(q: &[f32], k: &[f32], v: &[f32]) -> Result<(Tensor, Stats, Vec<SweepPoint>)> {
    let q = TensorView::head(q, 96, 8);
    let k = TensorView::head(k, 96, 8);
    let v = TensorView::head(v, 96, 8);
    let options = Options {
        method: Method::Scatterbrain,
        budget: Some(0.125),
        split: Some(0.5),
        support: Some(Support::Lsh { rounds: None, chunk: None }),
        features: Some(Features::Favor { count: None, hyperbolic: true, center: false, balance: false }),
        temperature: 1.0,
        scale: Some(1.0),
        causal: false,
        seed: 1,
        ..Options::default()
    };
    let (output, stats) = attention_with_stats(q, k, v, &options)?;
    let methods = [Method::Sparse, Method::LowRank, Method::Scatterbrain];
    let errors = sweep(q, k, v, &options, &[options.temperature], &methods)?;
    Ok((output, stats, errors))
}
`);
  });
});
