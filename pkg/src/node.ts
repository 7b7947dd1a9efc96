/** The entry for Node. */
import { readFile } from "node:fs/promises";
import { type Load, loadWith } from "./load.js";

export * from "./exports.js";

export const load: Load = loadWith(async (address) => {
  return WebAssembly.compile(await read(address ?? new URL("./wasm/scatterbrain_bg.wasm", import.meta.url)));
});

async function read(address: URL | string): Promise<BufferSource> {
  if (typeof address === "string" && !/^(file|https?|data|blob):/.test(address)) return readFile(address);
  const url = new URL(address);
  if (url.protocol === "file:") return readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`it answered ${response.status} ${response.statusText}`.trimEnd());
  return response.arrayBuffer();
}
