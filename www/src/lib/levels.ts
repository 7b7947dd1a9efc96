import { position, type Scale, valueAt } from "./scale.ts";

const view = new DataView(new ArrayBuffer(4));

/** Bits of a float that a table key leaves out: neighbouring keys differ by one part in 8,192. */
const SHIFT = 10;
/** A scale that starts at zero is resolved down to a millionth of its top; what is smaller is zero to the eye. */
const FLOOR = 2 ** -20;

/**
 * The colour level of every float on a scale, by looking it up: a logarithm a pixel would take most of the time
 * that a picture takes. The bits of a non-negative float, read as an integer, are ordered like the float, so its
 * upper bits are the index of a table.
 */
export class Levels {
  readonly #table: Uint16Array;
  readonly #first: number;
  readonly #signed: boolean;
  readonly #last: number;
  /** Of zero and everything below the table. */
  readonly #bottom: number;
  readonly #top: number;

  constructor(scale: Scale, levels: number) {
    this.#last = levels - 1;
    this.#signed = scale.kind === "signed";
    const least = scale.low > 0 ? scale.low : scale.high * FLOOR;
    this.#first = bitsOf(least) >>> SHIFT;
    this.#table = new Uint16Array((bitsOf(scale.high) >>> SHIFT) - this.#first + 1);
    this.#bottom = Math.round(position(scale, 0) * this.#last);
    this.#top = Math.round(position(scale, scale.high) * this.#last);
    this.#fill(scale);
  }

  /** `bits` are those of a float that is not NaN. */
  of(bits: number): number {
    const key = ((bits & 0x7fffffff) >>> SHIFT) - this.#first;
    const level =
      key < 0 ? this.#bottom : key < this.#table.length ? (this.#table[key] as number) : this.#top;
    if (bits >>> 31 === 0) return level;
    return this.#signed ? this.#last - level : this.#bottom;
  }

  /** Levels ascend with the key, so one walk along the values at which they change fills the table. */
  #fill(scale: Scale): void {
    let level = this.#bottom;
    let next = valueAt(scale, (level + 0.5) / this.#last);
    for (let i = 0; i < this.#table.length; i++) {
      const value = floatOf(((this.#first + i) << SHIFT) | (1 << (SHIFT - 1)));
      while (level < this.#top && value >= next) {
        level++;
        next = valueAt(scale, (level + 0.5) / this.#last);
      }
      this.#table[i] = level;
    }
  }
}

function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

function floatOf(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}
