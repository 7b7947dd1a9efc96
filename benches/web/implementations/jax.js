import { defaultDevice, init, jit, nn, numpy as np } from "@jax-js/jax";

export async function start({ threads }) {
  const devices = await init("wasm");
  if (!devices.includes("wasm")) throw new Error("it has no wasm backend here");
  // It takes as many threads as there are processors where memory can be shared with workers, and one elsewhere.
  const shared = typeof SharedArrayBuffer !== "undefined" && typeof Worker !== "undefined";
  if (shared !== threads > 1) {
    throw Object.assign(new Error(`it has ${shared ? "only" : "no"} threads here`), { code: "Unsupported" });
  }
  defaultDevice("wasm");
  return {
    prepare({ heads, tokens, dim }, { q, k, v, scale }) {
      const attention = jit((q, k, v) => {
        const logits = np.matmul(q.mul(scale), np.swapaxes(k, 1, 2));
        return np.matmul(nn.softmax(logits, -1), v);
      });
      const tensor = (data) => np.array(data).reshape([heads, tokens, dim]);
      return async () => ({ output: await attention(tensor(q), tensor(k), tensor(v)).data() });
    },
  };
}
