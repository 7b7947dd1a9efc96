import { env, InferenceSession, Tensor } from "onnxruntime-web";
import { directions } from "../inputs.js";
import { exactModel, lowRankModel } from "../onnx.js";

export async function start({ threads, wasm }) {
  env.wasm.numThreads = threads;
  if (wasm.onnxruntime) env.wasm.wasmPaths = wasm.onnxruntime;
  return {
    async prepare({ kind, heads, tokens, dim, options }, inputs) {
      const bytes =
        kind === "exact"
          ? exactModel(heads, tokens, dim)
          : lowRankModel(heads, tokens, dim, directions(dim, options.features.count));
      const session = await InferenceSession.create(bytes, { executionProviders: ["wasm"] });
      const tensor = (name) => new Tensor("float32", inputs[name], [heads, tokens, dim]);
      const run = async () => {
        const { output } = await session.run({ q: tensor("q"), k: tensor("k"), v: tensor("v") });
        return { output: output.data };
      };
      run.release = () => session.release();
      return run;
    },
  };
}
