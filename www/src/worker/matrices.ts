import { clampCell, startRow, strongest } from "../lib/cell.ts";
import { MAP_FORMATS, type MapFormat, mapRow } from "../lib/export.ts";
import type { Head } from "../lib/head.ts";
import { entryOf, MapsBuilder, mapRows } from "../lib/matrix-rows.ts";
import { clampRegion, isWhole, type Region, wholeRegion } from "../lib/region.ts";
import { commonOptions, type Question } from "../lib/request.ts";
import { type Entry, type Look, measureAll, type Picture } from "../lib/results.ts";
import type { Maps } from "../lib/scale.ts";
import type { Cell } from "../lib/state.ts";
import type { Instance, Watch } from "./analyse.ts";
import { type Band, Bands, bandsOf } from "./bands.ts";

/** Writing numbers gives way to the page's calls after so many milliseconds. */
const SLICE_MS = 20;

/** Computes bands on another thread. */
export type Elsewhere = (
  head: Head,
  question: Question,
  rows: [number, number],
  signal: AbortSignal,
) => Promise<Band>;

interface Surroundings {
  subject?: string;
  bands?: Bands;
  elsewhere?: Elsewhere | null;
}

/**
 * The matrices of one head under one question, computed band by band when they are looked at: those of a large head
 * would not fit. The same code makes the page's pictures and, when the page is built, the poster.
 */
export class Matrices {
  readonly #sb: Instance;
  readonly #head: Head;
  readonly #question: Question;
  readonly #subject: string;
  readonly #bands: Bands;
  readonly #elsewhere: Elsewhere | null;

  /** `bands` keeps what was computed under the name `subject`; `elsewhere` takes every other band. */
  constructor(
    sb: Instance,
    head: Head,
    question: Question,
    { subject = "", bands = new Bands(), elsewhere = null }: Surroundings = {},
  ) {
    this.#sb = sb;
    this.#head = head;
    this.#question = question;
    this.#subject = subject;
    this.#bands = bands;
    this.#elsewhere = elsewhere;
  }

  async picture(look: Look, watch: Watch = {}): Promise<Picture> {
    const { tokens, causal } = this.#head;
    const region = clampRegion(look.view, tokens);
    const whole = new MapsBuilder(this.#head, look.size);
    const part = isWhole(region, tokens) ? null : new MapsBuilder(this.#head, look.size, region);
    const start = { query: startRow(tokens), key: 0 };
    const cell = look.cell ? clampCell(look.cell, tokens) : start;
    let [supportEntries, entry, last] = [0, null as Entry | null, null as Band | null];
    for await (const band of this.#walk(wholeRegion(tokens), watch)) {
      whole.add(band);
      part?.add(band);
      const holds = (query: number) => query >= band.first && query < band.first + band.queries;
      if (holds(start.query)) start.key = strongest(mapRows(band, "sparse", start.query, 1, tokens));
      if (holds(cell.query)) entry = entryOf(band, this.#head, this.#b, cell);
      supportEntries += band.stats.supportEntries;
      last = band;
    }
    if (!last || !entry) throw new Error("A head without tokens has no picture");
    this.#bands.keepOnly(this.#subject);
    const { features, instructionSet, backend } = last.stats;
    return {
      tokens,
      causal,
      supportPerRow: supportEntries / tokens,
      features,
      instructionSet,
      backend,
      grids: { ...whole.grids, size: look.size, stats: measureAll(whole.grids) },
      view: part && { region, size: look.size, grids: part.grids },
      start,
      entry,
    };
  }

  /** Grids of a region for maps of `size` pixels a side. */
  async grids(region: Region, size: number, watch: Watch = {}) {
    const builder = new MapsBuilder(this.#head, size, region);
    for await (const band of this.#walk(region, watch)) builder.add(band);
    return builder.grids;
  }

  async entry(cell: Cell, watch: Watch = {}): Promise<Entry> {
    const { tokens } = this.#head;
    const rows = bandsOf(cell.query, cell.query + 1, tokens)[0] as [number, number];
    // A single row is computed at once, a band of a large head is not.
    const band =
      this.#bands.get(this.#subject, rows[0]) ?? (await this.#compute([cell.query, cell.query + 1], watch));
    return entryOf(band, this.#head, this.#b, cell);
  }

  /** A region of one map as a file, after `start`. */
  async write(
    format: MapFormat,
    start: string,
    map: keyof Maps<unknown>,
    region: Region,
    watch: Watch = {},
  ): Promise<Blob> {
    const { tokens, causal } = this.#head;
    const { type, between, end: ending } = MAP_FORMATS[format];
    const parts: Blob[] = [new Blob([start])];
    let since = performance.now();
    for await (const band of this.#walk(region, watch)) {
      const end = Math.min(region.query + region.size, band.first + band.queries);
      const lines: string[] = [];
      for (let query = Math.max(region.query, band.first); query < end; query++) {
        if (query > region.query) lines.push(between);
        lines.push(mapRow(format, mapRows(band, map, query, 1, tokens), query, region, causal));
        if (performance.now() - since < SLICE_MS) continue;
        watch.onProgress?.((query - region.query) / region.size);
        await new Promise((resolve) => setTimeout(resolve));
        watch.signal?.throwIfAborted();
        since = performance.now();
      }
      // The browser keeps it where there is room: all of a large head is 200 MB.
      parts.push(new Blob(lines));
    }
    return new Blob([...parts, ending], { type });
  }

  /** Logits are b q·k. */
  get #b(): number {
    return this.#head.scale / this.#question.temperature;
  }

  /** The bands that hold a region's rows, in order. While one is computed here, the next one may be elsewhere. */
  async *#walk({ query, size }: Region, { signal, onProgress }: Watch): AsyncGenerator<Band> {
    const all = bandsOf(query, query + size, this.#head.tokens);
    // Ended with the walk, for the page would wait for what nobody wants any more.
    const ended = new AbortController();
    const either = AbortSignal.any(signal ? [signal, ended.signal] : [ended.signal]);
    let next: Promise<Band | null> | null = null;
    let waited = 0;
    try {
      for (const [i, rows] of all.entries()) {
        const start = performance.now();
        const coming = next;
        next = null;
        // Another walk may have computed it by now.
        let band = this.#bands.get(this.#subject, rows[0]);
        if (!band) {
          const progress = (fraction: number) => onProgress?.((i + fraction) / all.length);
          if (!coming) next = this.#startElsewhere(all[i + 1], either);
          band =
            (await coming) ??
            (await this.#compute(rows, { ...(signal && { signal }), onProgress: progress }));
          this.#bands.put(this.#subject, band);
        }
        waited += performance.now() - start;
        yield band;
      }
    } finally {
      ended.abort();
    }
    // For the browser's profiler: the rest of a picture's time is the page's own.
    performance.measure("matrices", { start: performance.now() - waited, duration: waited });
  }

  /** Null if there is no such band to compute; resolves to null if it was not to be had. */
  #startElsewhere(rows: [number, number] | undefined, signal: AbortSignal): Promise<Band | null> | null {
    if (!rows || !this.#elsewhere || this.#bands.get(this.#subject, rows[0])) return null;
    return this.#elsewhere(this.#head, this.#question, rows, signal).catch(() => null);
  }

  #compute(rows: [number, number], watch: Watch): Promise<Band> {
    return computeBand(this.#sb, this.#head, this.#question, rows, watch);
  }
}

/** Rows of a head's matrices. */
export async function computeBand(
  sb: Instance,
  head: Head,
  question: Question,
  rows: [number, number],
  watch: Watch,
): Promise<Band> {
  const options = { ...commonOptions(question, head), temperature: question.temperature, rows };
  return { ...(await sb.decompose({ ...options, method: "scatterbrain", ...watch })), first: rows[0] };
}
