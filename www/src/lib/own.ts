import { formatCount } from "./format.ts";

/** In the address, where it says only that there was a file: what was in it stays in the tab. */
export const OWN_ID = "own";

export const OWN_FORMATS = [".npy", ".npz", ".safetensors", ".csv", ".json"] as const;

/** What the page takes. A picture of 4,097 tokens takes seconds, and twice as many would take four times as long. */
export const OWN_LIMITS = {
  fileBytes: 64 * 2 ** 20,
  tokens: 4097,
  dim: 1024,
  scale: { min: 1e-6, max: 1e6 },
} as const;

/** What there is to know about the heads in a reader's files, without the numbers. */
export interface OwnFacts {
  heads: number;
  tokens: number;
  dim: number;
  valueDim: number;
  /** Where the values come from: the files, the keys where there is no v, or the one matrix that is q and k too. */
  values: "given" | "keys" | "one matrix";
  /** As the files say, or 1/√dim. */
  scale: number;
  /** As the files say, or false. */
  causal: boolean;
}

/** A reader's own heads, and which one of them is looked at how. */
export interface OwnHead extends OwnFacts {
  /** Another number for every drop. */
  id: number;
  name: string;
  files: readonly File[];
  /** Counted from 0. */
  head: number;
}

/** What the reader should know about the heads. */
export function ownNote({ heads, tokens, dim, valueDim, values }: OwnFacts): string {
  const size = `${formatCount(tokens)} tokens, d = ${formatCount(dim)}`;
  const wide = valueDim === dim ? "" : `, values of ${formatCount(valueDim)}`;
  const words = {
    given: "",
    keys: " Without v, the keys serve as values.",
    "one matrix": " It is one matrix: queries = keys = values.",
  };
  return `${heads === 1 ? "" : `${formatCount(heads)} heads of `}${size}${wide}.${words[values]}`;
}
