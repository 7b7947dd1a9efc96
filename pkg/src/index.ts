/** The entry for browsers, workers and bundlers. */
import { type CompileFrom, type Load, loadWith } from "./load.js";
import type { Spawn } from "./pool.js";

export * from "./exports.js";

/** In development, Vite up to 7 moves this code into its cache, and neither modules nor workers with it. */
const MOVED = /\/\.vite\/deps\/.*$/;

const own = {
  core: unmoved(new URL("./wasm/scatterbrain_bg.wasm", import.meta.url)),
  relaxed: unmoved(new URL("./wasm-relaxed/scatterbrain_bg.wasm", import.meta.url)),
  robustPca: unmoved(new URL("./wasm-robust-pca/robust_pca_bg.wasm", import.meta.url)),
  webgpu: unmoved(new URL("./wasm-webgpu/webgpu_bg.wasm", import.meta.url)),
};

const compileFrom: CompileFrom = async (address) => {
  const response = await fetch(address);
  if (!response.ok)
    throw new Error(`${response.url} answered ${response.status} ${response.statusText}`.trimEnd());
  const type = response.headers.get("Content-Type")?.split(";")[0]?.trim();
  // Compiling while it arrives is only allowed with the right type, which many a server does not send.
  if (type === "application/wasm") return WebAssembly.compileStreaming(response);
  const bytes = await response.arrayBuffer();
  return WebAssembly.compile(bytes).catch((error) => {
    throw new Error(`${response.url} is ${type ?? "of no type"}, not WebAssembly: ${error.message}`);
  });
};

const spawn: Spawn = (heard, died) => {
  const worker = startWorker();
  worker.onmessage = ({ data }) => heard(data);
  worker.onmessageerror = () => died("a message from it could not be read");
  worker.onerror = (event) => {
    event.preventDefault();
    died(event.message || "its code could not be loaded");
  };
  return {
    post: (order, transfer) => worker.postMessage(order, transfer),
    hold: () => {},
    end: () => worker.terminate(),
  };
};

export const load: Load = loadWith(own, compileFrom, spawn);

// Bundlers look for exactly this expression, to make a file of the worker's code.
function startWorker(): Worker {
  if (MOVED.test(import.meta.url)) {
    return new Worker(import.meta.url.replace(MOVED, "/scatterbrain-attention/dist/worker.js"), {
      type: "module",
    });
  }
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

function unmoved(beside: URL): URL {
  return new URL(beside.href.replace(/\/\.vite\/deps\/(wasm[^/]*)\//, "/scatterbrain-attention/dist/$1/"));
}
