/** Rows that are compared. */
const ROWS = 64;

/** |O - Ô| / |O| in the Frobenius norm over evenly spaced rows of all heads, O in f64. */
export function relativeError(output, { heads, tokens, dim }, { q, k, v, scale }) {
  let difference = 0;
  let norm = 0;
  const rows = heads * tokens;
  for (let n = 0; n < ROWS; n++) {
    const row = Math.floor(((n + 0.5) * rows) / ROWS);
    const first = Math.floor(row / tokens) * tokens;
    const logits = Float64Array.from({ length: tokens }, (_, j) => scale * dot(q, row, k, first + j, dim));
    const largest = logits.reduce((a, b) => Math.max(a, b));
    const weights = logits.map((x) => Math.exp(x - largest));
    const sum = weights.reduce((a, b) => a + b);
    for (let c = 0; c < dim; c++) {
      const exact = weights.reduce((total, w, j) => total + w * v[(first + j) * dim + c], 0) / sum;
      difference += (output[row * dim + c] - exact) ** 2;
      norm += exact ** 2;
    }
  }
  return Math.sqrt(difference / norm);
}

function dot(a, i, b, j, dim) {
  let sum = 0;
  for (let c = 0; c < dim; c++) sum += a[i * dim + c] * b[j * dim + c];
  return sum;
}
