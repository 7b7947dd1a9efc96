import { defineConfig } from "vite";
import { poster } from "./scripts/poster.ts";
import { serviceWorker } from "./scripts/service-worker.ts";

export default defineConfig({
  // Relative addresses: the built page works under any path.
  base: "./",
  server: { host: "127.0.0.1" },
  preview: { host: "127.0.0.1" },
  build: {
    target: "es2022",
    // Heads, fonts and the module stay files of their own: the page's security policy fetches nothing else.
    assetsInlineLimit: 0,
  },
  worker: { format: "es" },
  plugins: [poster(() => import("scatterbrain-attention")), serviceWorker()],
});
