import type { Decomposition } from "scatterbrain-attention";

/** Consecutive rows of the matrices of one head, as they are computed and kept. */
export interface Band extends Decomposition {
  first: number;
}

/** At most about so many entries make a band, of 17 bytes each: 512 rows of 4,096. */
const BAND_ENTRIES = 2 ** 21;
/** More entries than these are two bands at least, for two threads to compute. Fewer take no time. */
const ONE_BAND_ENTRIES = 2 ** 16;
/** Some four large bands: 150 MB. All of 4,097 tokens would take twice as much. */
const KEPT_ENTRIES = 4.2 * BAND_ENTRIES;

/** The rows of the bands that hold those from `start` to before `end`. */
export function bandsOf(start: number, end: number, tokens: number): [start: number, end: number][] {
  const entries = tokens * tokens;
  const rows = Math.ceil(
    tokens / Math.max(entries > ONE_BAND_ENTRIES ? 2 : 1, Math.round(entries / BAND_ENTRIES)),
  );
  const first = start - (start % rows);
  return Array.from({ length: Math.ceil((end - first) / rows) }, (_, i) => {
    const from = first + i * rows;
    return [from, Math.min(tokens, from + rows)];
  });
}

/** The bands that were used last, each under the name of what it is of. */
export class Bands {
  /** Used last is last. */
  #kept: { subject: string; band: Band }[] = [];

  get(subject: string, first: number): Band | undefined {
    const found = this.#kept.find((one) => one.subject === subject && one.band.first === first);
    if (!found) return undefined;
    this.#kept = [...this.#kept.filter((one) => one !== found), found];
    return found.band;
  }

  put(subject: string, band: Band): void {
    this.#kept.push({ subject, band });
    let entries = 0;
    for (const one of this.#kept) entries += one.band.exact.length;
    while (entries > KEPT_ENTRIES) entries -= this.#kept.shift()?.band.exact.length ?? entries;
  }

  /** Forgets all others. */
  keepOnly(subject: string): void {
    this.#kept = this.#kept.filter((one) => one.subject === subject);
  }
}
