/** The entry for browsers, workers and bundlers. */
import { type Load, loadWith } from "./load.js";

export * from "./exports.js";

const own = {
  core: unmoved(new URL("./wasm/scatterbrain_bg.wasm", import.meta.url)),
  relaxed: unmoved(new URL("./wasm-relaxed/scatterbrain_bg.wasm", import.meta.url)),
  robustPca: unmoved(new URL("./wasm-robust-pca/robust_pca_bg.wasm", import.meta.url)),
};

export const load: Load = loadWith(own, async (address) => {
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
});

/** In development, Vite up to 7 moves this code into its cache, and the modules stay where they were. */
function unmoved(beside: URL): URL {
  return new URL(beside.href.replace(/\/\.vite\/deps\/(wasm[^/]*)\//, "/scatterbrain-attention/dist/$1/"));
}
