/** A process of its own that loads the package, calls it some times, and says how long each took; started by start.js. */
import { load } from "scatterbrain-attention";
import { inputs } from "./inputs.js";

const CALLS = 6;

process.once("message", async ({ tokens, options }) => {
  const { q, k, v, scale } = await inputs({ heads: 1, tokens, dim: 64, data: "normal" });
  const timed = async (work) => {
    const started = performance.now();
    const result = await work();
    return { result, milliseconds: performance.now() - started };
  };
  const { result: sb, milliseconds } = await timed(() => load());
  const call = () => sb.attention({ q, k, v, scale, shape: { queries: tokens, dim: 64 }, ...options });
  const calls = [];
  for (let i = 0; i < CALLS; i++) calls.push((await timed(call)).milliseconds);
  process.send({ load: milliseconds, calls });
});
