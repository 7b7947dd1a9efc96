const view = new DataView(new ArrayBuffer(4));

/**
 * Quantiles of the magnitudes of many floats in one pass, without sorting: the bits of a non-negative float, read
 * as an integer, are ordered like the float, so their upper half is a histogram bin. Exact to 1/512 of the value,
 * which is finer than a colour. Zeros, infinities and NaN are left out: the quantiles serve logarithmic scales.
 */
export class Magnitudes {
  readonly #bins = new Uint32Array(1 << 17);
  #count = 0;
  /** No bin outside of these has any. */
  #first = 1 << 17;
  #last = 0;

  add(values: Float32Array<ArrayBuffer>): this {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    const bins = this.#bins;
    let [count, first, last] = [this.#count, this.#first, this.#last];
    for (let i = 0; i < bits.length; i++) {
      const magnitude = (bits[i] as number) & 0x7fffffff;
      if (magnitude === 0 || magnitude >= 0x7f800000) continue;
      const bin = magnitude >>> 14;
      bins[bin] = (bins[bin] as number) + 1;
      count++;
      if (bin < first) first = bin;
      if (bin > last) last = bin;
    }
    [this.#count, this.#first, this.#last] = [count, first, last];
    return this;
  }

  /** The magnitude that a share `p` of the values lies at or below; null without any value. */
  quantile(p: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.max(1, Math.ceil(p * this.#count));
    let seen = 0;
    for (let bin = this.#first; bin <= this.#last; bin++) {
      seen += this.#bins[bin] as number;
      if (seen >= rank) return middle(bin);
    }
    return null;
  }
}

function middle(bin: number): number {
  view.setUint32(0, (bin << 14) | (1 << 13));
  return view.getFloat32(0);
}
