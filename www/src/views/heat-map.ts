import type { Grid } from "../lib/aggregate.ts";
import type { KeyPress } from "../lib/cell.ts";
import { magnitudeRamp, signedRamp, type Theme } from "../lib/colour.ts";
import type { MapFormat } from "../lib/export.ts";
import { formatCount } from "../lib/format.ts";
import { paint } from "../lib/paint.ts";
import type { Region } from "../lib/region.ts";
import type { Scale } from "../lib/scale.ts";
import type { Cell } from "../lib/state.ts";
import type { Stats } from "../lib/stats.ts";
import { element } from "./dom.ts";
import { Legend } from "./legend.ts";
import { type GestureEvents, MapGestures } from "./map-gestures.ts";
import { mapImage } from "./map-image.ts";
import { saveMenu } from "./save-menu.ts";

/** An entry at least so wide is marked by a square around it. */
const SQUARE_PIXELS = 8;

export interface HeatMapText {
  /** Class of the figure, for the layout. */
  className: string;
  operator: string;
  title: string;
  formula: string;
  /** For those who cannot see it: what is in the map. */
  description: string;
  colour?: "sparse" | "low-rank";
}

export interface HeatMapEvents extends GestureEvents {
  /** A pointer is over the map at (x, y), each 0 to 1; null when it left. */
  onHover(place: { x: number; y: number } | null): void;
  onPick(place: { x: number; y: number }): void;
  /** The region as a file. */
  onData(format: MapFormat): Promise<{ name: string; content: Blob } | null>;
  imageName(): string;
  /** Returns whether the key was taken. */
  onKey(press: KeyPress): boolean;
  onResize(): void;
}

/** One matrix on a canvas, with its crosshair, legend and the value under the cursor. */
export class HeatMap {
  readonly figure: HTMLElement;
  readonly #canvas = element("canvas");
  readonly #plate: HTMLElement;
  readonly #cross = element("div", { class: "cross", hidden: "" }, element("i"), element("i"), element("b"));
  readonly #queries = element("div", { class: "axis queries", "aria-hidden": "true" });
  readonly #keys = element("div", { class: "axis keys", "aria-hidden": "true" });
  readonly #value = element("span", { class: "value" });
  readonly #legend = new Legend();
  /** Device pixels of the canvas, as the browser will lay it out. */
  #size = { width: 0, height: 0 };
  /** Kept, because asking for it in the middle of drawing makes the browser lay out the page again. */
  #cssSize = 0;
  /** What is written along the sides. Every change of it makes the browser lay out the page. */
  #range = "";
  /** Of what is drawn. */
  #colours: { scale: Scale; stops: readonly string[] } | null = null;

  constructor(text: HeatMapText, events: HeatMapEvents) {
    this.#plate = element(
      "div",
      {
        class: "plate",
        tabindex: "0",
        role: "application",
        "aria-roledescription": "heat map",
        "aria-label": `${text.title}: ${text.description}`,
        "aria-describedby": "map-help",
      },
      this.#canvas,
      this.#cross,
    );
    const operator = element("span", { class: "operator", "aria-hidden": "true" }, text.operator);
    const title = element("h3", text.colour ? { class: text.colour } : {}, operator, text.title);
    this.figure = element(
      "figure",
      { class: `map ${text.className}` },
      element("div", { class: "map-head" }, title, this.#value),
      element("div", { class: "formula" }, text.formula),
      element("div", { class: "frame" }, this.#queries, this.#plate, this.#keys),
      this.#legend.root,
      saveMenu(`the map ${text.title}`, [
        { label: "Picture (PNG)", make: () => this.#image(text.title, events) },
        { label: "Table (CSV)", make: () => events.onData("csv") },
        { label: "Numbers (JSON)", make: () => events.onData("json") },
      ]),
    );
    this.#listen(events);
    this.#observeSize(events);
  }

  /** How many entries of a side can be told apart. */
  get resolution(): number {
    // Before the first layout has been reported, it is asked for.
    return Math.min(this.#size.width, this.#size.height) || devicePixels(this.#plate.clientWidth, undefined);
  }

  /** `stats` are those of the whole matrix, which the scale is made for. */
  draw(grid: Grid, scale: Scale, stats: Stats, theme: Theme): void {
    const { width, height } = this.#size;
    if (width === 0 || height === 0) return;
    // Setting a size clears the canvas, which takes longer than painting it.
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const pixels = paint(grid, scale, theme, width, height);
    this.#canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
    this.#legend.show(scale, stats, theme, this.#cssSize);
    const { stops } = scale.kind === "signed" ? signedRamp(theme) : magnitudeRamp();
    this.#colours = { scale, stops };
  }

  async #image(title: string, events: HeatMapEvents) {
    if (!this.#colours) return null;
    const content = await mapImage({ title, canvas: this.#canvas, ...events.view(), ...this.#colours });
    return { name: events.imageName(), content };
  }

  /** What is written along the sides. */
  showRange({ query, key, size }: Region): void {
    const range = `${query} ${key} ${size}`;
    if (range === this.#range) return;
    this.#range = range;
    const axis = (name: string, first: number) => [
      element("span", {}, formatCount(first)),
      element("span", {}, name),
      element("span", {}, formatCount(first + size - 1)),
    ];
    this.#queries.replaceChildren(...axis("queries", query));
    this.#keys.replaceChildren(...axis("keys", key));
  }

  showCell(cell: Cell | null, { query, key, size }: Region): void {
    const entry = this.#cssSize / size;
    const [top, left] = cell ? [(cell.query - query) * entry, (cell.key - key) * entry] : [-1, -1];
    this.#cross.hidden = !(top >= 0 && left >= 0 && top < this.#cssSize && left < this.#cssSize);
    if (this.#cross.hidden) return;
    const [row, column, square] = this.#cross.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
    // Lines would cover an entry that can be seen by itself.
    this.#cross.classList.toggle("large", entry >= SQUARE_PIXELS);
    // In whole CSS pixels, or the line blurs.
    row.style.top = `${Math.floor(top + entry / 2)}px`;
    column.style.left = `${Math.floor(left + entry / 2)}px`;
    const box = { left, top, width: entry, height: entry };
    for (const [side, length] of Object.entries(box))
      square.style.setProperty(side, `${Math.round(length)}px`);
  }

  /** `exact` is the number in full, for tests and for copying. */
  showValue(text: string, exact: number | null): void {
    this.#value.textContent = text;
    if (exact === null) delete this.#value.dataset.value;
    else this.#value.dataset.value = String(exact);
  }

  #listen(events: HeatMapEvents): void {
    const plate = this.#plate;
    const gestures = new MapGestures(plate, events);
    const place = (event: PointerEvent) => {
      const box = plate.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    };
    plate.addEventListener("pointermove", (event) => events.onHover(gestures.active ? null : place(event)));
    plate.addEventListener("pointerleave", () => events.onHover(null));
    plate.addEventListener("pointercancel", () => events.onHover(null));
    plate.addEventListener("click", (event) => events.onPick(place(event as PointerEvent)));
    plate.addEventListener("keydown", (event) => {
      if (events.onKey(event)) event.preventDefault();
    });
  }

  #observeSize(events: HeatMapEvents): void {
    const observer = new ResizeObserver(([entry]) => {
      if (!entry) return;
      const device = entry.devicePixelContentBoxSize?.[0];
      const css = entry.contentRect;
      this.#cssSize = css.width;
      const width = devicePixels(css.width, device?.inlineSize);
      const height = devicePixels(css.height, device?.blockSize);
      if (width === this.#size.width && height === this.#size.height) return;
      this.#size = { width, height };
      events.onResize();
    });
    try {
      observer.observe(this.#canvas, { box: "device-pixel-content-box" });
    } catch {
      // Safari has no device pixels to tell.
      observer.observe(this.#canvas);
    }
  }
}

/** `exact` is the browser's own word; it is out by far where a screen is only emulated, and missing in Safari. */
function devicePixels(css: number, exact: number | undefined): number {
  const computed = css * devicePixelRatio;
  return exact !== undefined && Math.abs(exact - computed) <= 1 ? exact : Math.round(computed);
}
