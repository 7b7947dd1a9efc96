/** The entry for Node. */
import { readFile } from "node:fs/promises";
import { type Load, loadWith } from "./load.js";

export * from "./exports.js";

const own = {
  core: new URL("./wasm/scatterbrain_bg.wasm", import.meta.url),
  relaxed: new URL("./wasm-relaxed/scatterbrain_bg.wasm", import.meta.url),
  robustPca: new URL("./wasm-robust-pca/robust_pca_bg.wasm", import.meta.url),
};

export const load: Load = loadWith(own, async (address) => WebAssembly.compile(await read(address)));

async function read(address: URL | string): Promise<BufferSource> {
  if (typeof address === "string" && !/^(file|https?|data|blob):/.test(address)) return readFile(address);
  const url = new URL(address);
  if (url.protocol === "file:") return readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`it answered ${response.status} ${response.statusText}`.trimEnd());
  return response.arrayBuffer();
}
