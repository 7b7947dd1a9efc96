import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  logLevel: "error",
  assetsInclude: ["**/*.safetensors"],
  resolve: {
    // Without the backends that are not measured, and with the module as a file of its own, from which its threads start.
    alias: [{ find: /^onnxruntime-web$/, replacement: "onnxruntime-web/wasm" }],
    conditions: ["onnxruntime-web-use-extern-wasm", "browser", "module", "import"],
  },
  // The threads of tfjs run the text of a function that minifying would tear from its surroundings.
  build: { target: "es2022", minify: false, chunkSizeWarningLimit: 4096 },
});
