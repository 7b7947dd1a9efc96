/** Plain attention in double precision, written to be read: what the package is held against. */

/** Numbers from -1 to 1 that are the same on each run. */
export function numbers(length, seed = 1) {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Random tensors of a shape whose sizes are all given or follow as the package has it. */
export function tensors(shape, seed = 1) {
  const { batch, heads, kvHeads, queries, keys, dim, valueDim } = full(shape);
  return {
    q: numbers(batch * heads * queries * dim, seed),
    k: numbers(batch * kvHeads * keys * dim, seed + 1),
    v: numbers(batch * kvHeads * keys * valueDim, seed + 2),
    shape,
  };
}

export function full(shape) {
  const { batch = 1, heads = 1, queries, dim } = shape;
  const { keys = queries, valueDim = dim, kvHeads = heads } = shape;
  return { batch, heads, queries, keys, dim, valueDim, kvHeads };
}

/**
 * Softmax attention, of the entries that `sees(batch, query, key)` lets through. Gives the output, the weights
 * [batch, heads, queries, keys] and the mean entropy of their rows.
 */
export function attend({
  q,
  k,
  v,
  shape,
  temperature = 1,
  scale,
  causal = false,
  keyLengths,
  sees = () => true,
}) {
  const { batch, heads, queries, keys, dim, valueDim, kvHeads } = full(shape);
  const factor = (scale ?? 1 / Math.sqrt(dim)) / temperature;
  const output = new Float64Array(batch * heads * queries * valueDim);
  const weights = new Float64Array(batch * heads * queries * keys);
  let entropy = 0;
  for (let row = 0; row < batch * heads * queries; row++) {
    const query = row % queries;
    const head = Math.floor(row / queries) % heads;
    const sequence = Math.floor(row / queries / heads);
    const kv = sequence * kvHeads + Math.floor((head * kvHeads) / heads);
    const visible = [];
    for (let key = 0; key < (keyLengths?.[sequence] ?? keys); key++) {
      if ((!causal || key <= query) && sees(sequence, query, key)) visible.push(key);
    }
    const logits = visible.map((key) => {
      let sum = 0;
      for (let c = 0; c < dim; c++) sum += q[row * dim + c] * k[(kv * keys + key) * dim + c];
      return sum * factor;
    });
    const top = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
    visible.forEach((key, i) => {
      const weight = Math.exp(logits[i] - top) / total;
      weights[row * keys + key] = weight;
      entropy -= weight > 0 ? weight * Math.log(weight) : 0;
      for (let c = 0; c < valueDim; c++) {
        output[row * valueDim + c] += weight * v[(kv * keys + key) * valueDim + c];
      }
    });
  }
  return { output, weights, entropy: entropy / (batch * heads * queries) };
}

/** |a - b| / |b| in the Frobenius norm; |a| where b is 0. */
export function distance(a, b) {
  let difference = 0;
  let norm = 0;
  b.forEach((x, i) => {
    difference += (a[i] - x) ** 2;
    norm += x ** 2;
  });
  return Math.sqrt(difference / (norm || 1));
}
