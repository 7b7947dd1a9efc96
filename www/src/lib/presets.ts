import { formatCount } from "./format.ts";

/** What the page can show: captured heads, fetched when chosen, and clusters that it makes itself. */
export interface Preset {
  /** In the address of the page: never rename. */
  id: string;
  label: string;
  group: "Image" | "Text, causal" | "Synthetic";
  /** One sentence for the reader. */
  note: string;
  causal: boolean;
  /** The synthetic preset has as many as the reader wants. */
  tokens?: number;
  /** Name of the file in data/heads; the synthetic preset has none. */
  file?: string;
}

/** What all captured heads have in common. */
export const CAPTURED = { dim: 64, valueDim: 64, scale: 0.125 } as const;

/** More tokens make a matrix of millions of entries, which takes seconds. */
const LARGE = 2000;
const LARGE_NOTE =
  " A large head, of 16.8 million entries: a picture takes seconds, and a file of 1 to 2 MB is fetched.";

function imageHead(layer: number, head: number, tokens = 1025): Preset {
  const tail = `l${String(layer).padStart(2, "0")}h${head}`;
  return {
    id: `dinov2-${sized(tokens)}${tail}`,
    label: `DINOv2, layer ${layer}, head ${head}${sizeLabel(tokens)}`,
    group: "Image",
    note:
      `Self-attention over ${formatCount(tokens)} patches of a photograph (an astronaut) in DINOv2 ViT-S/14, ` +
      `layer ${layer}, head ${head}.${tokens > LARGE ? LARGE_NOTE : ""}`,
    causal: false,
    tokens,
    file: `dinov2-astronaut-${tokens}-${tail}.safetensors`,
  };
}

function textHead(layer: number, head: number, tokens = 1024): Preset {
  const tail = `l${String(layer).padStart(2, "0")}h${head}`;
  return {
    id: `smollm2-${sized(tokens)}${tail}`,
    label: `SmolLM2, layer ${layer}, head ${head}${sizeLabel(tokens)}`,
    group: "Text, causal",
    note:
      `Causal self-attention over ${formatCount(tokens)} tokens of Moby-Dick in SmolLM2-135M, layer ${layer}, ` +
      `head ${head}: a query sees itself and what came before.${tokens > LARGE ? LARGE_NOTE : ""}`,
    causal: true,
    tokens,
    file: `smollm2-mobydick-${tokens}-${tail}.safetensors`,
  };
}

function sized(tokens: number): string {
  return tokens > LARGE ? `${tokens}-` : "";
}

function sizeLabel(tokens: number): string {
  return tokens > LARGE ? ` · ${formatCount(tokens)}` : "";
}

export const CLUSTERS_ID = "clusters";

export const PRESETS: readonly Preset[] = [
  imageHead(0, 2),
  imageHead(3, 0),
  imageHead(3, 4),
  imageHead(6, 2),
  imageHead(9, 2),
  imageHead(11, 4),
  imageHead(6, 0, 4097),
  imageHead(9, 2, 4097),
  textHead(0, 4),
  textHead(5, 0),
  textHead(12, 4),
  textHead(20, 4),
  textHead(29, 8),
  textHead(12, 4, 4096),
  {
    id: CLUSTERS_ID,
    label: "Clusters, as in Theorem 1",
    group: "Synthetic",
    note: "The paper’s model: tokens scattered around random centres, with queries = keys = values.",
    causal: false,
  },
];

/** Its curve shows all regimes: low rank alone wins as trained, the sum where it is softer. */
export const DEFAULT_PRESET = "dinov2-l11h4";

/** Those that are computed in a moment. */
export const SMALL_CAPTURED: readonly Preset[] = PRESETS.filter(
  ({ file, tokens = 0 }) => file && tokens <= LARGE,
);

const byId = new Map(PRESETS.map((preset) => [preset.id, preset]));

export function isPreset(id: string): boolean {
  return byId.has(id);
}

export function presetById(id: string): Preset {
  const preset = byId.get(id);
  if (!preset) throw new Error(`Unknown preset: ${id}`);
  return preset;
}
