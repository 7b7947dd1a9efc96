import { getThreadsCount, setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import {
  getBackend,
  matMul,
  mul,
  ready,
  setBackend,
  softmax,
  tensor2d,
  tidy,
  transpose,
} from "@tensorflow/tfjs-core";

export async function start({ threads, wasm }) {
  if (wasm.tfjs) setWasmPaths(wasm.tfjs);
  setThreadsCount(threads);
  await setBackend("wasm");
  await ready();
  if (getBackend() !== "wasm") throw new Error(`the backend is ${getBackend()}, not wasm`);
  // One in Node, and half as many as there are processors at the most.
  if (threads > 1 && getThreadsCount() !== threads) {
    throw Object.assign(new Error(`it takes ${getThreadsCount()} of them`), { code: "Unsupported" });
  }
  return {
    /** Head by head: batched, its softmax takes ten times as long, and memory for every head's matrix. */
    prepare({ heads, tokens, dim }, { q, k, v, scale }) {
      return async () => {
        const output = new Float32Array(q.length);
        for (let head = 0; head < heads; head++) {
          const part = (all) => {
            const rows = all.subarray(head * tokens * dim, (head + 1) * tokens * dim);
            return tensor2d(rows, [tokens, dim]);
          };
          const result = tidy(() => {
            // Asked to transpose inside of matMul, it leaves its fast path.
            const logits = matMul(mul(part(q), scale), transpose(part(k)));
            return matMul(softmax(logits), part(v));
          });
          output.set(result.dataSync(), head * tokens * dim);
          result.dispose();
        }
        return { output };
      };
    },
  };
}
