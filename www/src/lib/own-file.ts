import { parseCsv } from "./formats/csv.ts";
import { parseJson } from "./formats/json.ts";
import { parseNpy } from "./formats/npy.ts";
import { parseNpz } from "./formats/npz.ts";
import type { Head } from "./head.ts";
import { OWN_FORMATS, OWN_LIMITS, type OwnFacts } from "./own.ts";
import { parseSafetensors } from "./safetensors.ts";
import type { Tensor } from "./tensor.ts";

export interface NamedBytes {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The heads of a reader's files: their numbers, each [heads, tokens, dim], and what there is to know about them. */
export interface OwnHeads {
  facts: OwnFacts;
  q: Tensor;
  k: Tensor;
  v: Tensor;
}

interface Content {
  tensors: Map<string, Tensor>;
  scale?: number;
  causal?: boolean;
  oneMatrix?: true;
}

const NAMES = ["q", "k", "v"];
const isWanted = (name: string) => NAMES.includes(name);

/** What can be said against files before they are read; throws an `Error` that says it. */
export function checkFiles(files: readonly { name: string; size: number }[]): void {
  if (files.length === 0) throw new Error("There was no file in what was dropped.");
  for (const { name, size } of files) {
    if (!OWN_FORMATS.some((ending) => ending === endingOf(name))) {
      throw new Error(`“${name}” is none of ${OWN_FORMATS.join(", ")}.`);
    }
    if (size === 0) throw new Error(`“${name}” is empty.`);
    if (size > OWN_LIMITS.fileBytes) {
      const [has, most] = [size, OWN_LIMITS.fileBytes].map((bytes) => Math.ceil(bytes / 2 ** 20));
      throw new Error(`“${name}” has ${has} MB, and the page takes ${most}. Save fewer heads or tokens.`);
    }
  }
  const stems = files.map(({ name }) => stemOf(name));
  const matrices = files.every(({ name }) => [".npy", ".csv"].includes(endingOf(name)));
  if (files.length > 1 && !(matrices && stems.every(isWanted) && new Set(stems).size === stems.length)) {
    throw new Error(
      "Several files must be one matrix each, named q, k and v: q.npy, k.npy and v.npy, or .csv.",
    );
  }
}

/** Reads files that `checkFiles` has nothing against. Throws an `Error` that names the file and what is wrong with it. */
export function readOwnHeads(files: readonly NamedBytes[]): OwnHeads {
  const contents = files.map((file) => {
    try {
      return readFile(file, files.length > 1);
    } catch (error) {
      throw new Error(`“${file.name}” cannot be used. ${(error as Error).message}.`);
    }
  });
  try {
    return fitTogether({
      ...contents[0],
      tensors: new Map(contents.flatMap(({ tensors }) => [...tensors])),
    });
  } catch (error) {
    const names = files.map(({ name }) => `“${name}”`).join(", ");
    throw new Error(`${names} cannot be used: ${(error as Error).message}.`);
  }
}

/** One head, as the page looks at it. */
export function cutHead(
  { q, k, v, facts }: OwnHeads,
  { head, scale, causal }: { head: number; scale: number; causal: boolean },
): Head {
  const { heads, tokens, dim, valueDim } = facts;
  const part = ({ shape, data }: Tensor) => {
    const [own, rows, columns] = shape as [number, number, number];
    // Fewer key heads than query heads serve several of these each.
    const at = Math.floor((head * own) / heads) * rows * columns;
    return data.subarray(at, at + rows * columns);
  };
  return { q: part(q), k: part(k), v: part(v), tokens, dim, valueDim, scale, causal };
}

function readFile({ name, bytes }: NamedBytes, oneOfSeveral: boolean): Content {
  const text = () => new TextDecoder().decode(bytes);
  const matrix = (tensor: Tensor): Content => {
    if (oneOfSeveral) return { tensors: new Map([[stemOf(name), tensor]]) };
    return { tensors: new Map(NAMES.map((each) => [each, tensor])), oneMatrix: true };
  };
  switch (endingOf(name)) {
    case ".npy":
      return matrix(parseNpy(bytes));
    case ".csv":
      return matrix(parseCsv(text()));
    case ".npz":
      return { tensors: parseNpz(bytes, isWanted) };
    case ".json":
      return parseJson(text(), isWanted);
    default: {
      const { tensors, metadata } = parseSafetensors(bytes.buffer, isWanted);
      const [scale, causal] = [metadata.get("scale"), metadata.get("causal")];
      return {
        tensors,
        ...(scale === undefined ? {} : { scale: Number(scale) }),
        ...(causal === undefined ? {} : { causal: causal === "true" }),
      };
    }
  }
}

function fitTogether({ tensors, scale, causal = false, oneMatrix }: Content): OwnHeads {
  const missing = ["q", "k"].filter((name) => !tensors.has(name));
  if (missing.length > 0) {
    throw new Error(
      `there is no ${missing.join(" and no ")}; the names must be q, k and, if there are values, v`,
    );
  }
  const get = (name: string) => threeAxes(name, tensors.get(name) as Tensor);
  const [q, k, v] = [get("q"), get("k"), get(tensors.has("v") ? "v" : "k")];
  const [heads, tokens, dim] = q.shape as [number, number, number];
  const [keyHeads, keys, keyDim] = k.shape as [number, number, number];
  const [valueHeads, values, valueDim] = v.shape as [number, number, number];
  const shapes = `q [${q.shape.join(", ")}], k [${k.shape.join(", ")}], v [${v.shape.join(", ")}]`;
  if (keyDim !== dim) throw new Error(`queries and keys differ in length: ${shapes}`);
  if (keys !== tokens) throw new Error(`the maps need as many keys as queries: ${shapes}`);
  if (values !== keys) throw new Error(`there must be a value for each key: ${shapes}`);
  if (keyHeads !== valueHeads || heads % keyHeads !== 0) throw new Error(`the heads do not fit: ${shapes}`);
  if (tokens < 2) throw new Error("there is one token, and attention needs two");
  const { tokens: mostTokens, dim: mostDim } = OWN_LIMITS;
  if (tokens > mostTokens) {
    throw new Error(
      `there are ${tokens} tokens, and the maps show ${mostTokens}: save a slice of q, k and v`,
    );
  }
  if (Math.max(dim, valueDim) > mostDim) {
    throw new Error(`the vectors have ${Math.max(dim, valueDim)} numbers, and ${mostDim} are the most`);
  }
  const { min, max } = OWN_LIMITS.scale;
  if (scale !== undefined && !(scale >= min && scale <= max)) {
    throw new Error(`its scale is ${scale}, and it must be from ${min} to ${max}`);
  }
  for (const name of oneMatrix ? ["q"] : tensors.keys()) checkFinite(name, tensors.get(name) as Tensor);
  const source = oneMatrix ? "one matrix" : tensors.has("v") ? "given" : "keys";
  const facts = {
    heads,
    tokens,
    dim,
    valueDim,
    values: source,
    scale: scale ?? 1 / Math.sqrt(dim),
    causal,
  } as const;
  return { facts, q, k, v };
}

/** [tokens, dim] and [1, heads, tokens, dim] as [heads, tokens, dim]. */
function threeAxes(name: string, { shape, data }: Tensor): Tensor {
  const text = `${name} has shape [${shape.join(", ")}]`;
  if (shape.length < 2 || shape.length > 4) {
    throw new Error(`${text}; expected [tokens, dim], [heads, tokens, dim] or [1, heads, tokens, dim]`);
  }
  if (shape.length === 4 && shape[0] !== 1) throw new Error(`${text}: save one sequence of the batch`);
  if (data.length === 0) throw new Error(`${text}, which is empty`);
  return { shape: [1, ...shape].slice(-3), data };
}

function checkFinite(name: string, { shape, data }: Tensor): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const index: number[] = [];
  let rest = at;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  const what = Number.isNaN(data[at]) ? "not a number" : "infinite, or too large for 32 bits";
  throw new Error(`${name}[${index.join(", ")}] is ${what}`);
}

function endingOf(name: string): string {
  return /\.[^.]*$/.exec(name)?.[0].toLowerCase() ?? "";
}

function stemOf(name: string): string {
  return name.slice(0, name.length - endingOf(name).length).toLowerCase();
}
