import { load } from "scatterbrain-attention";
import { expect, it } from "vitest";
import { clusterHead } from "../src/lib/clusters.ts";
import { explain } from "../src/lib/explain.ts";
import { commonOptions } from "../src/lib/request.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import { decompose } from "../src/worker/analyse.ts";

const state: State = { ...DEFAULTS, temperature: 0.7 };

it.each([false, true])("explains every entry as computed directly; causal: %s", async (causal) => {
  const head = { ...clusterHead({ tokens: 40, clusters: 4, spread: 0.5, dim: 8, seed: 3 }), causal };
  const question = causal ? ({ ...state, support: "window", features: "favor" } as const) : state;
  const sb = await load();
  const picture = await decompose(sb, head, question, 10);
  const { logNormalizer } = await sb.decompose({
    ...commonOptions(question, head),
    method: "scatterbrain",
    temperature: question.temperature,
  });
  sb.dispose();
  const { tokens, dim, q, k, scale } = head;
  const logitOf = (query: number, key: number) => {
    let dot = 0;
    for (let i = 0; i < dim; i++) dot += (q[query * dim + i] as number) * (k[key * dim + i] as number);
    return [dot, (scale / question.temperature) * dot] as const;
  };
  const parts = new Set<boolean>();
  for (let query = 0; query < tokens; query++) {
    const keys = causal ? query + 1 : tokens;
    let sum = 0;
    for (let key = 0; key < keys; key++) sum += Math.exp(logitOf(query, key)[1]);
    for (let key = 0; key < tokens; key++) {
      const found = explain(picture, query, key);
      if (key >= keys || !found) {
        expect([found, key >= keys]).toEqual([null, true]);
        continue;
      }
      const [dot, logit] = logitOf(query, key);
      expect(found).toMatchObject({ query, key, dot, logit });
      expect(found.exact).toBeCloseTo(Math.exp(logit) / sum, 6);
      const onSupport = Math.exp(logit - (logNormalizer[query] as number));
      expect(found.approximation).toBeCloseTo(found.inSupport ? onSupport : found.lowRank, 6);
      expect(found.error).toBeCloseTo(found.approximation - Math.exp(logit) / sum, 6);
      parts.add(found.inSupport);
    }
  }
  expect(parts.size).toBe(2);
});
