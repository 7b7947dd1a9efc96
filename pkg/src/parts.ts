/** An attention call in parts: out of the call's tensors, and back into one result. */
import { core } from "./core.js";
import { withMemory } from "./errors.js";
import { type Call, copiedOptions } from "./inputs.js";
import type { PartCall, PartResult } from "./protocol.js";
import type { AttentionResult } from "./results.js";

/** Checks everything but the data, and copies the tensors into at most `count` parts that take about the same work. */
export function cut({ q, k, v, options }: Call, count: number): PartCall[] {
  const numbers: Float64Array = core.ask(({ Job }) =>
    Job.parts(q.length, k.length, v.length, options, count),
  );
  const parts: PartCall[] = [];
  withMemory("the parts", () => {
    const own = copiedOptions(options);
    for (let i = 0; i < numbers.length; ) {
      const next = () => numbers[i++] as number;
      const index = next();
      const [ofQ, ofK, ofV] = [q, k, v].map((tensor) => new Float32Array(tensor.subarray(next(), next())));
      parts.push({ q: ofQ, k: ofK, v: ofV, options: own, index, count } as PartCall);
    }
  });
  return parts;
}

/** The result of a call from those of all its parts, in order. */
export function join(results: PartResult[], rows: number, milliseconds: number): AttentionResult {
  const sum = (number: (result: PartResult) => number) =>
    results.reduce((total, result) => total + number(result), 0);
  const [first] = results as [PartResult];
  const phases = Object.keys(first.stats.phases).map((name) => [
    name,
    sum(({ stats }) => stats.phases[name] ?? 0),
  ]);
  const clusters = sum((result) => result.clusters);
  const output =
    results.length === 1
      ? first.output
      : withMemory("the output", () => {
          const output = new Float32Array(sum((result) => result.output.length));
          let start = 0;
          for (const part of results) {
            output.set(part.output, start);
            start += part.output.length;
          }
          return output;
        });
  return {
    output,
    stats: {
      ...first.stats,
      milliseconds,
      peakBytes: sum(({ stats }) => stats.peakBytes),
      supportEntries: sum(({ stats }) => stats.supportEntries),
      features: clusters > 0 ? Math.ceil(clusters / rows) : first.stats.features,
      workers: results.length,
      phases: Object.fromEntries(phases),
    },
  };
}
