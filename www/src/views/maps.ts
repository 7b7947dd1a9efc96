import { blockSize, crop, type Grid } from "../lib/aggregate.ts";
import { cellAt, clampCell, type KeyPress, moveCell, startCell } from "../lib/cell.ts";
import type { Theme } from "../lib/colour.ts";
import { type Explanation, explain } from "../lib/explain.ts";
import { mapFileName, mapJson } from "../lib/export.ts";
import { formatNumber } from "../lib/format.ts";
import type { Poster } from "../lib/poster.ts";
import { clampRegion, follow, isWhole, type Region, wholeRegion, zoomAbout, zoomKey } from "../lib/region.ts";
import {
  type Entry,
  entryAt,
  gridsOf,
  measureAll,
  type Picture,
  type SizedGrids,
  shrink,
} from "../lib/results.ts";
import { type Maps as Four, pictureScales, type Scale } from "../lib/scale.ts";
import { type Cell, DEFAULTS, type Span, type State, type Transform } from "../lib/state.ts";
import type { Stats } from "../lib/stats.ts";
import type { Step } from "../lib/store.ts";
import { element, oncePerFrame } from "./dom.ts";
import { HeatMap, type HeatMapEvents } from "./heat-map.ts";
import { MAP_NAMES, MAP_TEXTS } from "./map-texts.ts";
import { ZoomBar } from "./zoom-bar.ts";

/** What pointer, keys and gestures do on a map. */
export type MapCursor = Pick<HeatMapEvents, "onHover" | "onPick" | "onKey" | "view" | "onView">;

/** How the maps are drawn, for another picture of the same head to be drawn alike. */
export interface Look {
  region: Region;
  tokens: number;
  scales: Four<Scale>;
  theme: Theme;
}

export interface MapsEvents {
  /**
   * The cell under the cursor and its numbers, once they are known. `byHand`: the reader moved the cursor,
   * rather than the picture under it changing.
   */
  onEntry(entry: Entry | null, byHand: boolean): void;
  /** The entry that the cursor rests on; `asked`: by a click or Enter, rather than passed on the way. */
  onExplanation(explanation: Explanation | null, asked: boolean): void;
  /** The reader moved the cursor for good (click or keys), not only over the map. */
  onPick(cell: Cell): void;
  onView(view: Region | null, step: Step): void;
  onLook(look: Look): void;
  /** Comes before the entry of the cell. */
  onCell(cell: Cell | null): void;
}

/** The four maps: one picture, one cursor, colour scales that belong together. */
export class Maps {
  /** For the maps of another picture, which share cursor and view. */
  readonly cursor: MapCursor = {
    onHover: (place) => this.#setHover(place && this.#cellAt(place)),
    onPick: (place) => this.#pick(this.#cellAt(place), true),
    onKey: (press) => this.#press(press),
    view: () => ({ region: this.#region(), tokens: this.#tokens() }),
    onView: (region, step) => this.#changeView(region, step),
  };
  readonly #root: HTMLElement;
  readonly #maps: Four<HeatMap>;
  readonly #events: MapsEvents;
  readonly #aggregation: HTMLElement;
  readonly #bar: ZoomBar;
  readonly #redraw = oncePerFrame(() => this.#draw());
  #picture: Picture | null = null;
  #poster: Poster | null = null;
  #state = DEFAULTS;
  #theme: Theme = "light";
  #transform: Transform = "log";
  #span: Span = "shared";
  #pinned: Cell | null = null;
  #hover: Cell | null = null;
  #view: Region | null = null;

  constructor(root: HTMLElement, aggregation: HTMLElement, events: MapsEvents) {
    this.#root = root;
    this.#events = events;
    this.#aggregation = aggregation;
    const heatMap = (name: keyof Four<unknown>) =>
      new HeatMap(MAP_TEXTS[name], {
        ...this.cursor,
        onData: () => this.#data(name),
        imageName: () => this.#fileName(name, "png"),
        onResize: this.#redraw,
      });
    this.#maps = {
      exact: heatMap("exact"),
      lowRank: heatMap("lowRank"),
      sparse: heatMap("sparse"),
      error: heatMap("error"),
    };
    const help =
      "Arrow keys move the cell cursor by one, with Shift by ten. Home and End go to the ends of the row, " +
      "with Control to the corners. Page Up and Page Down jump along the queries. Plus and minus zoom about the " +
      "cursor; 0 or Escape shows the whole matrix.";
    this.#bar = new ZoomBar({
      onZoom: (factor) => this.#zoom(factor),
      onWhole: () => this.#changeView(wholeRegion(this.#tokens()), "push"),
    });
    root.append(
      this.#bar.root,
      ...MAP_NAMES.map((name) => this.#maps[name].figure),
      element("p", { class: "hidden", id: "map-help" }, help),
    );
  }

  /** Device pixels of a side of a map. */
  get resolution(): number {
    return this.#maps.exact.resolution;
  }

  /** `example`: not what the reader asked for, only what there is to see until then. */
  showPoster(poster: Poster, example: boolean): void {
    if (this.#picture) return;
    this.#poster = poster;
    this.#root.classList.toggle("example", example);
    this.#redraw();
  }

  /** `state`: what the picture was computed for. */
  showPicture(picture: Picture, state: State): void {
    this.#picture = picture;
    this.#state = state;
    this.#poster = null;
    this.#root.classList.remove("example");
    this.#redraw();
  }

  setColours(theme: Theme, transform: Transform, span: Span): void {
    if (theme === this.#theme && transform === this.#transform && span === this.#span) return;
    this.#theme = theme;
    this.#transform = transform;
    this.#span = span;
    // At once: what goes to a printer does not wait for a frame.
    this.#draw();
  }

  setCell(cell: Cell | null): void {
    this.#pinned = cell;
    this.#showCell();
  }

  setView(view: Region | null): void {
    if (view === this.#view) return;
    this.#view = view;
    this.#redraw();
  }

  #draw(): void {
    const size = this.resolution;
    if (size === 0) return;
    const [region, tokens] = [this.#region(), this.#tokens()];
    const whole = isWhole(region, tokens);
    this.#root.classList.toggle("zoomed", !whole);
    if (this.#picture) {
      // Colours mean the same in every view: they are those of the whole matrices.
      const { stats, ...grids } = this.#gridsOf(this.#picture, size);
      const shown = whole ? grids : gridsOf(this.#picture, size, region);
      this.#paint(shown, pictureScales(stats, this.#transform, this.#span), stats);
      const block = blockSize(region.size, size);
      this.#aggregation.textContent = block
        ? `A pixel shows the largest of the ${block} entries beneath it; the cursor reads single ones.`
        : "Every entry has its own pixels.";
    } else if (this.#poster) {
      const { grids, scales } = this.#poster;
      const shown = {
        exact: crop(grids.exact, region, tokens),
        lowRank: crop(grids.lowRank, region, tokens),
        sparse: crop(grids.sparse, region, tokens),
        error: crop(grids.error, region, tokens),
      };
      this.#paint(shown, scales, measureAll(grids));
    }
    for (const name of MAP_NAMES) this.#maps[name].showRange(region);
    this.#bar.show(region, tokens);
    this.#showCell();
  }

  #paint(grids: Four<Grid>, scales: Four<Scale>, stats: Four<Stats>): void {
    for (const name of MAP_NAMES) this.#maps[name].draw(grids[name], scales[name], stats[name], this.#theme);
    this.#events.onLook({ region: this.#region(), tokens: this.#tokens(), scales, theme: this.#theme });
  }

  /** Made by the worker, unless the maps have changed their size since. Kept between redraws. */
  #gridsOf(picture: Picture, size: number): SizedGrids {
    if (picture.grids.size !== size) picture.grids = shrink(picture, size);
    return picture.grids;
  }

  async #data(map: keyof Four<unknown>) {
    if (!this.#picture) return null;
    const name = this.#fileName(map, "json");
    const parts = await mapJson(this.#picture, this.#state, map, this.#region());
    return { name, content: new Blob(parts, { type: "application/json" }) };
  }

  #fileName(map: keyof Four<unknown>, ending: string): string {
    return mapFileName(this.#state, map, this.#region(), ending);
  }

  #tokens(): number {
    return this.#picture?.tokens ?? this.#poster?.tokens ?? 1;
  }

  #region(): Region {
    return clampRegion(this.#view, this.#tokens());
  }

  #changeView(region: Region, step: Step): void {
    const before = this.#region();
    const { query, key, size } = region;
    if (query === before.query && key === before.key && size === before.size) return;
    this.#hover = null;
    this.#events.onView(isWhole(region, this.#tokens()) ? null : region, step);
  }

  #zoom(factor: number): void {
    const [region, tokens] = [this.#region(), this.#tokens()];
    const middle = { query: region.query + region.size / 2, key: region.key + region.size / 2 };
    this.#changeView(zoomAbout(region, factor, this.#cell() ?? middle, tokens), "push");
  }

  #press(press: KeyPress): boolean {
    const [cell, tokens] = [this.#cell(), this.#tokens()];
    const zoom = zoomKey(press);
    if (zoom === "whole") {
      if (isWhole(this.#region(), tokens)) return false;
      this.#changeView(wholeRegion(tokens), "push");
    } else if (zoom !== null) this.#zoom(zoom);
    if (zoom !== null) return true;
    if (press.key === "Enter" && cell) {
      this.#pick(cell, true);
      return true;
    }
    const next = cell && moveCell(cell, press, tokens);
    if (!next) return false;
    this.#pick(next, false);
    this.#changeView(follow(this.#region(), next, tokens), "replace");
    return true;
  }

  #cellAt({ x, y }: { x: number; y: number }): Cell {
    return cellAt(x, y, this.#region());
  }

  #cell(): Cell | null {
    if (this.#hover) return clampCell(this.#hover, this.#tokens());
    if (this.#pinned) return clampCell(this.#pinned, this.#tokens());
    return this.#picture && startCell(this.#picture.sparse, this.#picture.tokens);
  }

  #setHover(cell: Cell | null): void {
    this.#hover = cell;
    this.#showCell();
  }

  #pick(cell: Cell, asked: boolean): void {
    this.#hover = null;
    this.#pinned = cell;
    this.#showCell(true);
    if (asked && this.#picture) {
      this.#events.onExplanation(explain(this.#picture, cell.query, cell.key), true);
    }
    this.#events.onPick(cell);
  }

  #showCell(byHand = false): void {
    const cell = this.#cell();
    const entry = cell && this.#picture && entryAt(this.#picture, cell.query, cell.key);
    for (const name of MAP_NAMES) {
      this.#maps[name].showCell(cell, this.#region());
      if (!entry) this.#maps[name].showValue("", null);
      else if (entry.masked) this.#maps[name].showValue("future", null);
      else this.#maps[name].showValue(formatNumber(entry[name]), entry[name]);
    }
    this.#events.onCell(cell);
    this.#events.onEntry(entry, byHand);
    if (!cell || !this.#picture) this.#events.onExplanation(null, false);
    else if (!this.#hover) this.#events.onExplanation(explain(this.#picture, cell.query, cell.key), false);
  }
}
