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

const IMAGE = "Self-attention over 1,025 patches of a photograph (an astronaut)";
const TEXT = "Causal self-attention over 1,024 tokens of Moby-Dick";

function imageHead(layer: number, head: number): Preset {
  const tail = `l${String(layer).padStart(2, "0")}h${head}`;
  return {
    id: `dinov2-${tail}`,
    label: `DINOv2, layer ${layer}, head ${head}`,
    group: "Image",
    note: `${IMAGE} in DINOv2 ViT-S/14, layer ${layer}, head ${head}.`,
    causal: false,
    tokens: 1025,
    file: `dinov2-astronaut-1025-${tail}.safetensors`,
  };
}

function textHead(layer: number, head: number): Preset {
  const tail = `l${String(layer).padStart(2, "0")}h${head}`;
  return {
    id: `smollm2-${tail}`,
    label: `SmolLM2, layer ${layer}, head ${head}`,
    group: "Text, causal",
    note: `${TEXT} in SmolLM2-135M, layer ${layer}, head ${head}: a query sees itself and what came before.`,
    causal: true,
    tokens: 1024,
    file: `smollm2-mobydick-1024-${tail}.safetensors`,
  };
}

export const CLUSTERS_ID = "clusters";

export const PRESETS: readonly Preset[] = [
  imageHead(0, 2),
  imageHead(3, 0),
  imageHead(3, 4),
  imageHead(6, 2),
  imageHead(9, 2),
  imageHead(11, 4),
  textHead(0, 4),
  textHead(5, 0),
  textHead(12, 4),
  textHead(20, 4),
  textHead(29, 8),
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

const byId = new Map(PRESETS.map((preset) => [preset.id, preset]));

export function isPreset(id: string): boolean {
  return byId.has(id);
}

export function presetById(id: string): Preset {
  const preset = byId.get(id);
  if (!preset) throw new Error(`Unknown preset: ${id}`);
  return preset;
}
