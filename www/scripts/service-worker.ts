import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Plugin } from "vite";
import { presetById } from "../src/lib/presets.ts";
import { DEFAULTS } from "../src/lib/state.ts";

const NAME = "service-worker.js";
/** Heads, and modules that few readers ask for. */
const ON_USE = /\.safetensors$|\/(webgpu|robust[-_]pca)[^/]*$/;

/**
 * Builds src/service-worker and tells it what the built page consists of. Any change of any file changes it, which is how
 * browsers notice that there is a new version.
 */
export function serviceWorker(): Plugin {
  return {
    name: "scatterbrain-service-worker",
    apply: "build",
    buildStart() {
      this.emitFile({ type: "chunk", id: "src/service-worker/service-worker.ts", fileName: NAME });
    },
    writeBundle: {
      // What is in the folder, not what the bundler knows of: public files belong to the page too.
      order: "post",
      sequential: true,
      async handler({ dir = "dist" }) {
        const core: Record<string, string> = {};
        const onUse: Record<string, string> = {};
        const firstHead = `assets/${presetById(DEFAULTS.preset).file?.replace(/\.safetensors$/, "-")}`;
        for (const path of await filesIn(dir)) {
          if (path === NAME) continue;
          const hash = `sha256-${createHash("sha256")
            .update(await readFile(join(dir, path)))
            .digest("base64")}`;
          const later = ON_USE.test(path) && !path.startsWith(firstHead);
          (later ? onUse : core)[path === "index.html" ? "./" : path] = hash;
        }
        const code = await readFile(join(dir, NAME), "utf8");
        const version = createHash("sha256")
          .update(code + JSON.stringify([core, onUse]))
          .digest("hex")
          .slice(0, 12);
        const build = JSON.stringify({ version, core, onUse });
        await writeFile(join(dir, NAME), `const BUILD=${build};\n${code}`);
      },
    },
  };
}

async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}
