import { squaredNorm, termsFor, truncatedSvd } from "../../lib/svd.ts";
import type { Bench, Update } from "../figure.ts";
import { decomposed, difference, givingWay } from "../matrices.ts";
import { COUNT, MATRICES, type MatrixName, SHARES, type SpectrumData } from "./data.ts";

/** The matrices take so much of the time. */
const DECOMPOSED = 0.04;

export async function computeSpectrum(bench: Bench, update: Update<SpectrumData>): Promise<void> {
  const { head, view } = await decomposed(bench);
  const { exact, lowRank } = view;
  const matrices: Record<MatrixName, Float32Array> = {
    exact,
    "low-rank": lowRank,
    residual: difference(exact, lowRank),
  };
  const landmarks = bench.question.features === "landmarks";
  const data: SpectrumData = {
    features: view.stats.features,
    unbounded: landmarks ? "landmarks" : head.causal ? "causal" : null,
    spectra: [],
  };
  const share = (1 - DECOMPOSED) / MATRICES.length;
  for (const [i, matrix] of MATRICES.entries()) {
    const values = matrices[matrix];
    const dense = { values, rows: head.tokens, columns: head.tokens };
    const from = DECOMPOSED + i * share;
    const svd = await truncatedSvd(
      dense,
      COUNT,
      bench.question.seed,
      givingWay(bench, update, from, from + share),
    );
    const norm = squaredNorm(values);
    const terms = SHARES.map((share) => termsFor(share, svd.values, norm));
    data.spectra.push({ matrix, values: [...svd.values], squaredNorm: norm, terms });
    await update(data, from + share);
  }
}
