import { clusterHead } from "../lib/clusters.ts";
import { type Head, headFromSafetensors } from "../lib/head.ts";
import { checkFiles, cutHead, type OwnHeads, readOwnHeads } from "../lib/own-file.ts";
import type { HeadSource, OwnFiles } from "./protocol.ts";

/** A head is under a megabyte once decoded; a dozen of them is everything there is. */
const KEEP = 12;
const cache = new Map<string, Head>();
/** The last files that were read. They may be large: no others are kept. */
let own: { id: number; heads: OwnHeads } | undefined;

/** Fetches or makes a head, or takes it from the last few. */
export async function getHead(
  source: HeadSource,
  signal: AbortSignal,
  onProgress: (fraction: number) => void,
): Promise<Head> {
  if (source.kind === "own") return cutHead(await getOwnHeads(source, onProgress), source);
  const key = JSON.stringify(source);
  let head = cache.get(key);
  if (!head) {
    head =
      source.kind === "clusters"
        ? clusterHead(source)
        : headFromSafetensors(await download(source.url, signal, onProgress));
  }
  // Last used is last in the map.
  cache.delete(key);
  cache.set(key, head);
  for (const oldest of cache.keys()) {
    if (cache.size <= KEEP) break;
    cache.delete(oldest);
  }
  return head;
}

/** Reads files, unless they are those that were read last. */
export async function getOwnHeads(
  { id, files }: OwnFiles,
  onProgress: (fraction: number) => void,
): Promise<OwnHeads> {
  if (own?.id === id) return own.heads;
  checkFiles(files);
  const named = [];
  for (const [i, file] of files.entries()) {
    onProgress(i / files.length);
    named.push({ name: file.name, bytes: new Uint8Array(await contentOf(file)) });
  }
  const heads = readOwnHeads(named);
  own = { id, heads };
  return heads;
}

async function contentOf(file: File): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer();
  } catch {
    throw new Error(
      `“${file.name}” cannot be read any more: it was changed, moved or removed. Drop it again.`,
    );
  }
}

async function download(
  url: string,
  signal: AbortSignal,
  onProgress: (fraction: number) => void,
): Promise<ArrayBuffer> {
  const response = await fetch(url, { signal }).catch((error) => {
    throw signal.aborted ? error : new Error("The head could not be loaded: its server cannot be reached.");
  });
  if (!response.ok) throw new Error(`The head could not be loaded: the server answered ${response.status}.`);
  const total = Number(response.headers.get("content-length"));
  if (!response.body || !(total > 0)) return response.arrayBuffer();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    received += value.length;
    // With compression on the way, more arrives than the header promised.
    onProgress(Math.min(1, received / total));
  }
  return new Blob(parts).arrayBuffer();
}
