import { load } from "scatterbrain-attention";

export async function start({ threads, simd = "auto" }) {
  const sb = await load({ workers: threads, simd });
  return {
    prepare({ heads, tokens, dim, options }, { q, k, v, scale }) {
      const shape = { heads, queries: tokens, dim };
      return async () => ({ output: (await sb.attention({ q, k, v, shape, scale, ...options })).output });
    },
  };
}
