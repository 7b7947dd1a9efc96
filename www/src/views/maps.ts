import { blockSize, type Grid } from "../lib/aggregate.ts";
import { cellAt, clampCell, type KeyPress, moveCell } from "../lib/cell.ts";
import type { Theme } from "../lib/colour.ts";
import { type MapFormat, mapFileName } from "../lib/export.ts";
import { formatNumber } from "../lib/format.ts";
import type { Poster } from "../lib/poster.ts";
import { clampRegion, follow, isWhole, type Region, wholeRegion, zoomAbout, zoomKey } from "../lib/region.ts";
import { type Entry, type Look, measureAll, type Picture, type PictureSource } from "../lib/results.ts";
import { type Maps as Four, pictureScales, type Scale } from "../lib/scale.ts";
import { type Cell, DEFAULTS, type Span, type State, type Transform } from "../lib/state.ts";
import type { Stats } from "../lib/stats.ts";
import type { Step } from "../lib/store.ts";
import { element, oncePerFrame } from "./dom.ts";
import { HeatMap, type HeatMapEvents } from "./heat-map.ts";
import { eachMap, MAP_NAMES, MAP_TEXTS } from "./map-texts.ts";
import { coarse, ShownPicture } from "./shown-picture.ts";
import { ZoomBar } from "./zoom-bar.ts";

/** What pointer, keys and gestures do on a map. */
export type MapCursor = Pick<HeatMapEvents, "onHover" | "onPick" | "onKey" | "view" | "onView">;

/** How the maps are drawn, for another picture of the same head to be drawn alike. */
export interface Drawing {
  region: Region;
  tokens: number;
  scales: Four<Scale>;
  theme: Theme;
}

/** What of an entry is to be said aloud. */
export type Aloud = "numbers" | "explanation" | null;

export interface MapsEvents {
  /**
   * The cell under the cursor, once its numbers are known. `resting`: the cursor has been set there, rather than
   * moving over the map. `aloud`: the reader went there by hand, or asked where it comes from.
   */
  onEntry(entry: Entry | null, resting: boolean, aloud: Aloud): void;
  /** Numbers are on their way. */
  onReading(reading: boolean): void;
  /** The reader moved the cursor for good (click or keys), not only over the map. */
  onPick(cell: Cell): void;
  onView(view: Region | null, step: Step): void;
  onError(error: unknown): void;
  onDraw(drawing: Drawing): void;
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
  #shown: ShownPicture | null = null;
  #poster: Poster | null = null;
  #computing = false;
  #theme: Theme = "light";
  #transform: Transform = "log";
  #span: Span = "shared";
  #pinned: Cell | null = null;
  #hover: Cell | null = null;
  #aloud: Aloud = null;
  #view: Region | null = null;

  constructor(root: HTMLElement, aggregation: HTMLElement, events: MapsEvents) {
    this.#root = root;
    this.#events = events;
    this.#aggregation = aggregation;
    const heatMap = (name: keyof Four<unknown>) =>
      new HeatMap(MAP_TEXTS[name], {
        ...this.cursor,
        onData: (format) => this.#data(format, name),
        imageName: () => this.#fileName(name, "png"),
        onResize: this.#redraw,
      });
    this.#maps = eachMap(heatMap);
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

  /** What a picture of a head should hold, so that the maps can be drawn at once. */
  get look(): Look {
    return { size: this.#maps.exact.resolution, view: this.#view, cell: this.#pinned };
  }

  /** A picture is computed. */
  setComputing(computing: boolean): void {
    this.#computing = computing;
    this.#showBusy();
  }

  /** `example`: not what the reader asked for, only what there is to see until then. */
  showPoster(poster: Poster, example: boolean): void {
    if (this.#shown) return;
    this.#poster = poster;
    this.#root.classList.toggle("example", example);
    this.#redraw();
  }

  /** `state`: what the picture was computed for. */
  showPicture(picture: Picture, state: State, source: PictureSource): void {
    this.cancel();
    this.#shown = new ShownPicture(picture, state, source, {
      onGrids: this.#redraw,
      onEntry: () => this.#showCell(),
      onError: (error) => this.#events.onError(error),
    });
    this.#poster = null;
    this.#root.classList.remove("example");
    // Now, it is there for the next frame.
    this.#draw();
  }

  /** Ends what is being asked about the picture. */
  cancel(): void {
    this.#shown?.cancel();
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
    // Asked for now, it may be there when the frame is drawn.
    this.#grids();
    this.#redraw();
  }

  #draw(): void {
    if (this.#maps.exact.resolution === 0) return;
    const [region, tokens] = [this.#region(), this.#tokens()];
    if (this.#shown) {
      const shown = this.#shown;
      const fine = this.#grids();
      // What is on the screen is better than a flicker.
      if (!fine && !shown.drawingLate) return;
      // Colours mean the same in every view: they are those of the whole matrices.
      const { stats, ...whole } = shown.picture.grids;
      const scales = pictureScales(stats, this.#transform, this.#span);
      this.#paint(fine ?? coarse(whole, region, tokens), scales, stats);
      if (fine) this.#aggregation.textContent = this.#aggregationText(region);
      else if (shown.drawing) this.#aggregation.textContent = "Coarse until this part is computed.";
      else this.#aggregation.textContent = "Coarse: this part was not computed. Move or zoom to try again.";
    } else if (this.#poster) {
      const { grids, scales } = this.#poster;
      this.#paint(coarse(grids, region, tokens), scales, measureAll(grids));
    }
    this.#root.classList.toggle("zoomed", !isWhole(region, tokens));
    for (const name of MAP_NAMES) this.#maps[name].showRange(region);
    this.#bar.show(region, tokens);
    this.#showCell();
  }

  /** Of what is in view; null until the worker has answered. */
  #grids(): Four<Grid> | null {
    const found = this.#shown?.grids(this.#region(), this.#maps.exact.resolution) ?? null;
    this.#showBusy();
    return found;
  }

  #aggregationText({ size }: Region): string {
    const block = blockSize(size, this.#maps.exact.resolution);
    if (!block) return "Every entry has its own pixels.";
    return `A pixel shows the largest of the ${block} entries beneath it; the cursor reads single ones.`;
  }

  #showBusy(): void {
    const busy = this.#computing || (this.#shown?.drawing ?? false);
    this.#root.setAttribute("aria-busy", String(busy));
  }

  #paint(grids: Four<Grid>, scales: Four<Scale>, stats: Four<Stats>): void {
    for (const name of MAP_NAMES) this.#maps[name].draw(grids[name], scales[name], stats[name], this.#theme);
    this.#events.onDraw({ region: this.#region(), tokens: this.#tokens(), scales, theme: this.#theme });
  }

  async #data(format: MapFormat, map: keyof Four<unknown>) {
    if (!this.#shown) return null;
    const name = this.#fileName(map, format);
    try {
      return { name, content: await this.#shown.write(format, map, this.#region()) };
    } catch (error) {
      this.#events.onError(error);
      return null;
    }
  }

  #fileName(map: keyof Four<unknown>, ending: string): string {
    return mapFileName(this.#shown?.state ?? DEFAULTS, map, this.#region(), ending);
  }

  #tokens(): number {
    return this.#shown?.picture.tokens ?? this.#poster?.tokens ?? 1;
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
    return this.#shown?.picture.start ?? null;
  }

  #setHover(cell: Cell | null): void {
    this.#hover = cell;
    this.#showCell();
  }

  /** `asked`: where the entry comes from, by a click or Enter, rather than passed on the way. */
  #pick(cell: Cell, asked: boolean): void {
    this.#hover = null;
    this.#pinned = cell;
    this.#aloud = asked ? "explanation" : "numbers";
    this.#showCell();
    this.#events.onPick(cell);
  }

  #showCell(): void {
    const cell = this.#cell();
    for (const name of MAP_NAMES) this.#maps[name].showCell(cell, this.#region());
    this.#events.onCell(cell);
    const shown = this.#shown;
    const entry = (cell && shown?.entry(cell)) ?? null;
    this.#events.onReading(shown?.reading ?? false);
    // A moment later there is one.
    if (shown?.reading && !shown.readingLate) return;
    for (const name of MAP_NAMES) {
      if (!entry) this.#maps[name].showValue("", null);
      else if (entry.masked) this.#maps[name].showValue("future", null);
      else this.#maps[name].showValue(formatNumber(entry[name]), entry[name]);
    }
    this.#events.onEntry(entry, this.#hover === null, this.#aloud);
    if (entry) this.#aloud = null;
  }
}
