import { crop, type Grid } from "../lib/aggregate.ts";
import { Answers } from "../lib/answers.ts";
import { type MapFormat, mapStart } from "../lib/export.ts";
import { isWhole, type Region } from "../lib/region.ts";
import type { Entry, Picture, PictureSource } from "../lib/results.ts";
import type { Maps } from "../lib/scale.ts";
import type { Cell, State } from "../lib/state.ts";

/** What stands on the screen may stay for so many milliseconds while the worker has not answered. */
const GRACE_MS = { grids: 80, entry: 150 };

export interface ShownPictureEvents {
  /** There are grids that were asked for, or they are late. */
  onGrids(): void;
  /** The same of an entry. */
  onEntry(): void;
  onError(error: unknown): void;
}

/** A picture on the screen, and what the worker tells of it besides. */
export class ShownPicture {
  readonly picture: Picture;
  /** What it was computed for. */
  readonly state: State;
  readonly #source: PictureSource;
  readonly #grids: Answers<{ region: Region; size: number }, Maps<Grid>>;
  readonly #entries: Answers<Cell, Entry>;

  constructor(picture: Picture, state: State, source: PictureSource, events: ShownPictureEvents) {
    this.picture = picture;
    this.state = state;
    this.#source = source;
    const { onGrids, onEntry, onError } = events;
    this.#grids = new Answers(
      ({ region, size }, signal) => source.grids(region, size, signal),
      GRACE_MS.grids,
      { onChange: onGrids, onError },
    );
    this.#entries = new Answers((cell, signal) => source.entry(cell, signal), GRACE_MS.entry, {
      onChange: onEntry,
      onError,
    });
    const { view, entry } = picture;
    if (view) this.#grids.tell({ region: view.region, size: view.size }, view.grids);
    this.#entries.tell({ query: entry.query, key: entry.key }, entry);
  }

  /** Of a region, for maps of `resolution` pixels a side; null until the worker has answered. */
  grids(region: Region, resolution: number): Maps<Grid> | null {
    const { grids, tokens } = this.picture;
    // When the page moves by parts of a pixel, maps may grow or shrink by one: nothing to compute a picture for.
    const size = Math.abs(resolution - grids.size) <= 1 ? grids.size : resolution;
    if (isWhole(region, tokens) && size === grids.size) return grids;
    return this.#grids.get({ region, size });
  }

  /** Whether grids are on their way. */
  get drawing(): boolean {
    return this.#grids.waiting;
  }

  /** Whether grids take longer than a moment, or will not come. */
  get drawingLate(): boolean {
    return this.#grids.late;
  }

  /** Null until the worker has answered. */
  entry(cell: Cell): Entry | null {
    return this.#entries.get(cell);
  }

  /** Whether an entry is on its way. */
  get reading(): boolean {
    return this.#entries.waiting;
  }

  /** Whether an entry takes longer than a moment, or will not come. */
  get readingLate(): boolean {
    return this.#entries.late;
  }

  /** A region of one map as a file. */
  write(format: MapFormat, map: keyof Maps<unknown>, region: Region): Promise<Blob> {
    const start = mapStart(format, this.picture, this.state, map, region);
    return this.#source.write(format, start, map, region);
  }

  /** Ends what is being asked. */
  cancel(): void {
    this.#grids.cancel();
    this.#entries.cancel();
  }
}

/** What a picture or a poster has of a region without asking anyone. */
export function coarse(grids: Maps<Grid>, region: Region, tokens: number): Maps<Grid> {
  const part = (grid: Grid) => (isWhole(region, tokens) ? grid : crop(grid, region, tokens));
  const { exact, lowRank, sparse, error } = grids;
  return { exact: part(exact), lowRank: part(lowRank), sparse: part(sparse), error: part(error) };
}
