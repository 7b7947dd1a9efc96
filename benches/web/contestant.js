/** One implementation in a realm of its own, which does what the measurement asks of it: start, prepare, sample. */
import { inputs } from "./inputs.js";
import { relativeError } from "./reference.js";

/** What exact attention in f32 may differ from that in f64: the peers' is below a tenth of it. */
const EXACT = 1e-4;

/** A sample is the mean of as many calls as fit in so many milliseconds, and at least of one. */
const SAMPLE = 50;

const implementations = {
  ours: () => import("./implementations/ours.js"),
  simd128: () => import("./implementations/simd128.js"),
  webgpu: () => import("./implementations/webgpu.js"),
  limit: () => import("./implementations/limit.js"),
  onnxruntime: () => import("./implementations/onnxruntime.js"),
  tfjs: () => import("./implementations/tfjs.js"),
  jax: () => import("./implementations/jax.js"),
};

/**
 * `environment`: `wasm`, where the modules of the implementations lie, as far as they do not find them themselves;
 * `readHead()`, the captured head's bytes; `memory()`, the most bytes that this realm held so far, and holds now.
 */
export function contestant({ wasm, readHead, memory }) {
  let implementation;
  let run;
  return {
    /** Gives what the implementation wants to be called besides, if anything. */
    async start(name, threads) {
      const { start } = await implementations[name]();
      implementation = await start({ threads, wasm });
      return implementation.name;
    },

    /** Computes once, as a warm-up, and gives the relative error, and by how many bytes memory grew at the most. */
    async prepare(task) {
      await run?.release?.();
      run = undefined;
      const given = task.data && (await inputs(task, readHead));
      const before = memory?.().now;
      run = await implementation.prepare(task, given);
      const { output } = await run();
      const bytes = memory && memory().most - before;
      if (output === undefined) return {};
      const error = relativeError(output, task, given);
      if (!(error < (task.kind === "exact" ? EXACT : Number.POSITIVE_INFINITY))) {
        throw new Error(`its output is wrong by ${error.toPrecision(2)}`);
      }
      return { error, bytes };
    },

    /** Milliseconds a call; for the machine's limits, what they are. */
    async sample() {
      const started = performance.now();
      for (let calls = 1; ; calls++) {
        const { value } = await run();
        if (value !== undefined) return value;
        const spent = performance.now() - started;
        if (spent >= SAMPLE) return spent / calls;
      }
    },
  };
}
