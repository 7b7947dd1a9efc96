import type { HeadShape } from "./head.ts";
import { presetById } from "./presets.ts";
import { METHODS, type MethodName, plainOptions } from "./request.ts";
import { type FeaturesKind, headShape, ownHead, type State, type SupportKind } from "./state.ts";

export const LANGUAGES = ["javascript", "rust"] as const;
export type Language = (typeof LANGUAGES)[number];

/** A program that computes what the page shows: a function of the head's numbers, by the package or the crate. */
export function snippet(state: State, language: Language): string {
  return language === "rust" ? rust(state) : javascript(state);
}

function javascript(state: State): string {
  const { shape, ...rest } = plainOptions(state, headShape(state));
  const { queries, dim, valueDim } = shape;
  const sizes = valueDim === dim ? { queries, dim } : { queries, dim, valueDim };
  const options = Object.entries({ shape: sizes, ...rest })
    .map(([name, value]) => `    ${name}: ${literal(value)},`)
    .join("\n");
  const backend = state.backend === "webgpu" ? '{ backend: "auto" }' : "";
  return `import { load } from "scatterbrain-attention";

${comment(state, "Float32Arrays", "//")}
export async function takeApart(q, k, v) {
  const sb = await load(${backend});
  const options = {
    q,
    k,
    v,
${options}
  };
  const temperature = ${state.temperature};
  const { output, stats } = await sb.attention({ ...options, method: "scatterbrain", temperature });
  const [point] = await sb.sweep({
    ...options,
    temperatures: [temperature],
    methods: ${literal(METHODS)},
  });
  sb.dispose();
  return { output, stats, entropy: point.entropy, errors: point.errors };
}
`;
}

function rust(state: State): string {
  const head = headShape(state);
  const { tokens, dim, valueDim, scale, causal } = head;
  const methods = METHODS.map((method) => `Method::${RUST_METHODS[method]}`).join(", ");
  return `use scatterbrain::analysis::{SweepPoint, sweep};
use scatterbrain::{Features, Method, Options, Result, Stats, Support, Tensor, TensorView, attention_with_stats};

${comment(state, "f32", "///")}
pub fn take_apart(q: &[f32], k: &[f32], v: &[f32]) -> Result<(Tensor, Stats, Vec<SweepPoint>)> {
    let q = TensorView::head(q, ${tokens}, ${dim});
    let k = TensorView::head(k, ${tokens}, ${dim});
    let v = TensorView::head(v, ${tokens}, ${valueDim});
    let options = Options {
        method: Method::Scatterbrain,
        budget: Some(${float(state.budget)}),
        split: Some(${float(state.split)}),
        support: Some(${RUST_SUPPORTS[state.support]}),
        features: Some(${RUST_FEATURES[state.features]}),
        temperature: ${float(state.temperature)},
        scale: Some(${float(scale)}),
        causal: ${causal},
        seed: ${state.seed},
        ..Options::default()
    };
    let (output, stats) = attention_with_stats(q, k, v, &options)?;
    let methods = [${methods}];
    let errors = sweep(q, k, v, &options, &[options.temperature], &methods)?;
    Ok((output, stats, errors))
}
`;
}

/** What q, k and v are. */
function comment(state: State, numbers: string, mark: string): string {
  const { tokens, dim, valueDim }: HeadShape = headShape(state);
  const size = `${tokens} × ${dim}${valueDim === dim ? "" : `, v ${tokens} × ${valueDim}`}`;
  return [sourceOf(state), `q, k and v are row-major ${numbers}: ${size}.`]
    .map((line) => `${mark} ${line}`)
    .join("\n");
}

function sourceOf(state: State): string {
  const own = ownHead(state);
  // A file may be called anything, and a new line would end the comment.
  if (own) return `Head ${own.head} of ${own.name.replace(/[\p{C}\p{Z}]+/gu, " ")}.`;
  const { label, file } = presetById(state.preset);
  if (file) return `${label}: data/heads/${file}.`;
  const { tokens, clusters, spread, dim, seed } = state.clusters;
  const counts = `${tokens} tokens in ${clusters} clusters of spread ${spread}`;
  return `${label}: ${counts} in ${dim} dimensions, sample ${seed}; q = k = v.`;
}

/** JavaScript's, with names unquoted. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, inner]) => `${name}: ${literal(inner)}`)
    .join(", ")} }`;
}

/** Rust's, which tells 1.0 from 1. */
function float(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
}

const RUST_METHODS: Record<MethodName, string> = {
  sparse: "Sparse",
  "low-rank": "LowRank",
  scatterbrain: "Scatterbrain",
};

const RUST_SUPPORTS: Record<SupportKind, string> = {
  clusters: "Support::Clusters { count: None }",
  window: "Support::Window { size: None }",
  "top-k": "Support::TopK { count: None }",
  lsh: "Support::Lsh { rounds: None, chunk: None }",
  smyrf: "Support::Smyrf { cluster: None, rounds: None }",
};

const favor = (hyperbolic: boolean, center: boolean) =>
  `Features::Favor { count: None, hyperbolic: ${hyperbolic}, center: ${center}, balance: false }`;

const RUST_FEATURES: Record<FeaturesKind, string> = {
  landmarks: "Features::Landmarks { count: None }",
  favor: favor(false, false),
  "favor-hyperbolic": favor(true, false),
  "favor-centred": favor(false, true),
  optimal: "Features::Optimal { count: None, center: false, balance: false, spread: None }",
  elu: "Features::Elu",
  "taylor-1": "Features::Taylor { order: 1 }",
  "taylor-2": "Features::Taylor { order: 2 }",
};
