/** What is computed on. The same seed gives every implementation the same numbers. */

/** Standard deviation of the noise on tokens that are drawn again, as a share of that of all elements. */
const NOISE = 0.25;

/**
 * q, k and v, row-major [heads, tokens, dim], and the scale of the logits. Normal numbers, or the tokens of a captured
 * head: as they are where that many are asked for, else drawn from them with noise. What is searched for, and how
 * large a share of it is found, depends on the data; how long products take does not.
 */
export async function inputs({ heads, tokens, dim, data }, readHead) {
  const normal = normals(1);
  if (data === "normal") {
    const tensor = () => Float32Array.from({ length: heads * tokens * dim }, normal);
    return { q: tensor(), k: tensor(), v: tensor(), scale: dim ** -0.5 };
  }
  const head = parseHead(await readHead());
  if (head.tokens === tokens) return head;
  const uniform = uniforms(2);
  const rows = Uint32Array.from({ length: tokens }, () => Math.floor(uniform() * head.tokens));
  const drawn = (source) => {
    const deviation = NOISE * Math.sqrt(source.reduce((sum, x) => sum + x * x, 0) / source.length);
    return Float32Array.from({ length: tokens * dim }, (_, i) => {
      return source[rows[Math.floor(i / dim)] * dim + (i % dim)] + deviation * normal();
    });
  };
  return { q: drawn(head.q), k: drawn(head.k), v: drawn(head.v), scale: head.scale };
}

/** Independent Gaussian directions, [dim, count]. */
export function directions(dim, count) {
  return Float32Array.from({ length: dim * count }, normals(3));
}

/** A captured head: safetensors, q, k and v of shape [tokens, dim] in f16. */
function parseHead(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensor = (name) => {
    const [start, end] = header[name].data_offsets;
    return Float32Array.from(new Uint16Array(buffer.slice(8 + length + start, 8 + length + end)), fromHalf);
  };
  const [tokens] = header.q.shape;
  return { q: tensor("q"), k: tensor("k"), v: tensor("v"), tokens, scale: Number(header.__metadata__.scale) };
}

function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** Standard normal numbers by the Box-Muller transform. */
function normals(seed) {
  const uniform = uniforms(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Uniform numbers from 0 to 1 (Mulberry32). */
function uniforms(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
