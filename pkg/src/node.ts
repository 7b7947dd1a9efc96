/** The entry for Node. */
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { type Load, loadWith } from "./load.js";
import type { Spawn } from "./pool.js";

export * from "./exports.js";

const own = {
  core: new URL("./wasm/scatterbrain_bg.wasm", import.meta.url),
  relaxed: new URL("./wasm-relaxed/scatterbrain_bg.wasm", import.meta.url),
  robustPca: new URL("./wasm-robust-pca/robust_pca_bg.wasm", import.meta.url),
  webgpu: new URL("./wasm-webgpu/webgpu_bg.wasm", import.meta.url),
};

const spawn: Spawn = (heard, died) => {
  // The process's own flags are left out: some, such as those for code on the command line, a worker refuses.
  const worker = new Worker(new URL("./node-worker.js", import.meta.url), { execArgv: [] });
  worker.on("message", heard);
  worker.on("messageerror", () => died("a message from it could not be read"));
  worker.on("error", (error) => died(error instanceof Error ? error.message : String(error)));
  worker.on("exit", (code) => died(`it exited with code ${code}`));
  return {
    post: (order, transfer) => worker.postMessage(order, transfer),
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
};

export const load: Load = loadWith(own, async (address) => WebAssembly.compile(await read(address)), spawn);

async function read(address: URL | string): Promise<BufferSource> {
  if (typeof address === "string" && !/^(file|https?|data|blob):/.test(address)) return readFile(address);
  const url = new URL(address);
  if (url.protocol === "file:") return readFile(url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`it answered ${response.status} ${response.statusText}`.trimEnd());
  return response.arrayBuffer();
}
