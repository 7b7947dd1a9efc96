import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { load as Load } from "scatterbrain-attention";
import type { Plugin } from "vite";
import { headFromSafetensors } from "../src/lib/head.ts";
import { encodePoster } from "../src/lib/poster.ts";
import { presetById } from "../src/lib/presets.ts";
import type { CurvePoint } from "../src/lib/results.ts";
import { pictureScales, position } from "../src/lib/scale.ts";
import { STORY } from "../src/lib/state.ts";
import { stateOf } from "../src/lib/story.ts";
import { curveTemperatures } from "../src/lib/temperature.ts";
import { curvePoint, summarize } from "../src/worker/analyse.ts";
import { Matrices } from "../src/worker/matrices.ts";

const ID = "virtual:poster";
const RESOLVED = `\0${ID}`;
const DEV_URL = "/@poster.bin";
/** Entries a side: enough for a second's look, small enough to arrive first. */
const SIZE = 160;

/**
 * Computes the story's first picture with the package itself, here in Node, so that the page has something true to show
 * before its WebAssembly has loaded. `import url from "virtual:poster"` gives the address.
 */
export function poster(load: () => Promise<{ load: typeof Load }>): Plugin {
  let serving = false;
  let made: Promise<Uint8Array> | undefined;
  const bytes = () => {
    made ??= makePoster(load);
    return made;
  };
  return {
    name: "scatterbrain-poster",
    configResolved(config) {
      serving = config.command === "serve";
    },
    configureServer(server) {
      server.middlewares.use(DEV_URL, (_request, response, next) => {
        bytes().then((data) => response.end(data), next);
      });
    },
    resolveId(id) {
      return id === ID ? RESOLVED : undefined;
    },
    async load(id) {
      if (id !== RESOLVED) return;
      if (serving) return `export default ${JSON.stringify(DEV_URL)};`;
      const file = this.emitFile({ type: "asset", name: "poster.bin", source: await bytes() });
      return `export default import.meta.ROLLUP_FILE_URL_${file};`;
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, { bundle }) {
        const name = Object.keys(bundle ?? {}).find((file) => /poster-[^/]*\.bin$/.test(file));
        if (!name) return;
        // Fetched beside the script that draws it, not after.
        const attrs = { rel: "preload", as: "fetch", href: `./${name}`, crossorigin: true };
        return [{ tag: "link", attrs, injectTo: "head" }];
      },
    },
  };
}

async function makePoster(load: () => Promise<{ load: typeof Load }>): Promise<Uint8Array> {
  const state = stateOf(STORY[0]);
  const { file } = presetById(state.preset);
  const path = fileURLToPath(new URL(`../../data/heads/${file}`, import.meta.url));
  const head = headFromSafetensors(new Uint8Array(await readFile(path)).buffer);
  const sb = await (await load()).load();
  try {
    const picture = await new Matrices(sb, head, state).picture({ size: SIZE, view: null, cell: null });
    const curve: CurvePoint[] = [];
    for (const temperature of curveTemperatures()) {
      curve.push(await curvePoint(sb, head, state, temperature));
    }
    const point = await curvePoint(sb, head, state, state.temperature);
    const summary = summarize(picture, point, null, state);
    const { tokens, causal, grids } = picture;
    const scales = pictureScales(grids.stats, state.transform, state.span);
    return encodePoster({ tokens, causal, summary, curve, grids, scales }, position);
  } finally {
    sb.dispose();
  }
}
