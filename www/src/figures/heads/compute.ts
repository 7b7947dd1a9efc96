import { nearestParts } from "../../lib/combinations.ts";
import { commonOptions, METHODS, type MethodName } from "../../lib/request.ts";
import { getHead } from "../../worker/heads.ts";
import type { Bench, Update } from "../figure.ts";
import { mostEntropy } from "./bands.ts";
import { type HeadsData, TEMPERATURES } from "./data.ts";

/** Every captured head, and the chosen one if it is none of them, one temperature after the other. */
export async function computeHeads(
  { sb, source, question, captured, signal, step }: Bench,
  update: Update<HeadsData>,
): Promise<void> {
  const same = JSON.stringify(source);
  const heads = captured.map((head) => ({ ...head, chosen: JSON.stringify(head.source) === same }));
  if (!heads.some(({ chosen }) => chosen)) heads.push({ preset: source.kind, source, chosen: true });
  const { replacements } = nearestParts(question, true);
  const data: HeadsData = { points: [], replacements };
  for (const temperature of TEMPERATURES) {
    for (const { preset, source, chosen } of heads) {
      const head = await getHead(source, signal, () => {});
      const { parts } = nearestParts(question, head.causal);
      const options = { ...commonOptions({ ...question, ...parts }, head), temperatures: [temperature] };
      const [point] = await step((signal) => sb.sweep({ ...options, methods: METHODS, signal }));
      if (!point) throw new Error("sweep: no point for one temperature");
      const most = mostEntropy(head.tokens, head.causal);
      data.points.push({
        head: preset,
        chosen,
        temperature,
        entropy: most > 0 ? point.entropy / most : 0,
        errors: point.errors as Record<MethodName, number>,
      });
      await update(data, data.points.length / (TEMPERATURES.length * heads.length));
    }
  }
}
