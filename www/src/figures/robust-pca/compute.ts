import { GridBuilder } from "../../lib/aggregate.ts";
import { fewest } from "../../lib/concentration.ts";
import { commonOptions } from "../../lib/request.ts";
import { measure } from "../../lib/stats.ts";
import { squaredNorm, termsFor } from "../../lib/svd.ts";
import type { Bench, Update } from "../figure.ts";
import { decomposed, difference } from "../matrices.ts";
import { type RobustPcaData, SHARE } from "./data.ts";

/** Entries a side of a map. */
const SIZE = 360;
const REPORT_MS = 200;

export async function computeRobustPca(bench: Bench, update: Update<RobustPcaData>): Promise<void> {
  const { sb, question, signal } = bench;
  const { head, view } = await decomposed(bench);
  const { tokens, causal } = head;
  const shrink = (matrix: Float32Array<ArrayBuffer>) => {
    const builder = new GridBuilder(tokens, SIZE, causal);
    builder.add(matrix, 0);
    return builder.grid;
  };
  const { exact, approximation, lowRank, sparse, stats } = view;
  const data: RobustPcaData = {
    tokens,
    causal,
    top: measure(shrink(exact)).top ?? 1,
    own: {
      lowRank: shrink(lowRank),
      sparse: shrink(sparse),
      features: stats.features,
      nonzeros: stats.supportEntries,
      largest: fewest(sparse, SHARE),
      residual: Math.sqrt(squaredNorm(difference(approximation, exact)) / squaredNorm(exact)),
    },
    robust: null,
  };
  await update(data, 0);

  let last = performance.now();
  const onProgress = (fraction: number) => {
    if (performance.now() - last < REPORT_MS) return;
    last = performance.now();
    // It is ended through the signal.
    update(null, fraction).catch(() => {});
  };
  const { q, k, shape, scale } = commonOptions(question, head);
  const { temperature } = question;
  const found = await sb.robustPca({ q, k, shape, scale, temperature, causal, signal, onProgress });
  const { rank, nonzeros, residual, iterations, converged, singularValues } = found;
  data.robust = {
    lowRank: shrink(found.lowRank),
    sparse: shrink(found.sparse),
    rank,
    nonzeros,
    largest: fewest(found.sparse, SHARE),
    residual,
    iterations,
    converged,
    terms: termsFor(SHARE, singularValues, squaredNorm(singularValues)) ?? rank,
    singularValues: [...singularValues],
  };
  await update(data, 1);
}
