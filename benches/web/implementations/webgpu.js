import { load } from "scatterbrain-attention";

/** A GPU that the processor plays is for checking results: larger calls would take minutes. */
const SOFTWARE = /swiftshader|llvmpipe|software/i;
const MOST_IN_SOFTWARE = 2048 ** 2;

export async function start() {
  if (typeof navigator === "undefined" || !navigator.gpu) {
    throw Object.assign(new Error("there is no WebGPU"), { code: "Unsupported" });
  }
  const sb = await load({ backend: "webgpu" });
  const shape = { heads: 1, queries: 1, dim: 1 };
  const one = new Float32Array(1);
  const { stats } = await sb.attention({ q: one, k: one, v: one, shape, method: "exact" });
  return {
    name: stats.adapter,
    prepare({ heads, tokens, dim, options }, { q, k, v, scale }) {
      if (SOFTWARE.test(stats.adapter) && heads * tokens ** 2 > MOST_IN_SOFTWARE) {
        throw new Error("not tried on a GPU in software");
      }
      const shape = { heads, queries: tokens, dim };
      return async () => ({ output: (await sb.attention({ q, k, v, shape, scale, ...options })).output });
    },
  };
}
