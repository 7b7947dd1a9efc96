/** The entry for browsers, workers and bundlers. */
import { type Load, loadWith } from "./load.js";

export * from "./exports.js";

export const load: Load = loadWith(async (address) => {
  const beside = new URL("./wasm/scatterbrain_bg.wasm", import.meta.url);
  // In development, Vite up to 7 moves this code into its cache, and the module stays where it was.
  const own = beside.href.replace("/.vite/deps/wasm/", "/scatterbrain-attention/dist/wasm/");
  const response = await fetch(address ?? own);
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
