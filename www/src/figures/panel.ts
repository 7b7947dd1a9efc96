import type { Theme } from "../lib/colour.ts";
import { settings } from "../lib/export.ts";
import { formatPercent } from "../lib/format.ts";
import type { State } from "../lib/state.ts";
import { tableCsv } from "../lib/table.ts";
import { chartSvg, svgToPng } from "../views/chart-image.ts";
import { element, oncePerFrame } from "../views/dom.ts";
import { saveMenu } from "../views/save-menu.ts";
import type { EngineError } from "../worker/client.ts";
import type { Figure, FigureData, FigureId, LegendItem } from "./figure.ts";
import { FigureTable } from "./table.ts";

/** Asks the worker; `onUpdate` gets all there is so far, null for nothing new, and the share done. */
export type Ask = <Id extends FigureId>(
  figure: Id,
  state: State,
  signal: AbortSignal,
  onUpdate: (data: FigureData[Id] | null, fraction: number) => void,
) => Promise<void>;

const PART = "Shown is what had been found.";

/**
 * One figure: folded until the reader opens it, which computes it. It stays as it is when the settings change, and
 * says that it belongs to others: what takes seconds is computed when it is asked for.
 */
export class FigurePanel<Id extends FigureId> {
  readonly root: HTMLDetailsElement;
  readonly #figure: Figure<Id>;
  readonly #ask: Ask;
  readonly #status = element("span", { role: "status" });
  /** Outside of the status: a hundred percentages are not for reading aloud. */
  readonly #share = element("span");
  readonly #button = element("button", { type: "button", hidden: "" });
  readonly #bar: HTMLProgressElement;
  readonly #plots: HTMLElement;
  readonly #legend = element("ul", { class: "figure-legend" });
  readonly #finding = element("p", { class: "finding" });
  readonly #table: FigureTable;
  readonly #redraw = oncePerFrame(() => this.#draw());
  #state: State;
  /** What is drawn, whether that is all, and the settings that it belongs to. */
  #drawn: { data: FigureData[Id]; whole: boolean; state: State } | null = null;
  #running: AbortController | null = null;
  #width = 0;
  #theme: Theme = "light";

  constructor(figure: Figure<Id>, state: State, ask: Ask) {
    this.#figure = figure;
    this.#ask = ask;
    this.#state = state;
    this.#plots = element("div", { class: "figure-plots", role: "img", "aria-label": figure.title });
    this.#bar = element("progress", { max: "1", hidden: "", "aria-label": figure.title });
    this.#table = new FigureTable(figure.title);
    this.#table.root.hidden = true;
    const files = saveMenu(figure.title, [
      { label: "Drawing (SVG)", make: () => this.#file("svg", "image/svg+xml", () => this.#svg()) },
      { label: "Picture (PNG)", make: () => this.#file("png", "image/png", () => svgToPng(this.#svg())) },
      {
        label: "Table (CSV)",
        make: () => this.#file("csv", "text/csv", (data) => tableCsv(figure.table(data))),
      },
      {
        label: "Numbers (JSON)",
        make: () => this.#file("json", "application/json", (data) => this.#json(data)),
      },
    ]);
    this.root = element(
      "details",
      { class: "figure", id: `figure-${figure.id}` },
      element("summary", {}, element("h3", {}, figure.title)),
      element("p", { class: "note" }, figure.about),
      element("div", { class: "curve-status" }, this.#status, this.#share, this.#bar, this.#button),
      this.#legend,
      this.#plots,
      this.#finding,
      this.#table.root,
      files,
    );
    this.root.addEventListener("toggle", () => {
      if (this.root.open && !this.#drawn && !this.#running) void this.#compute();
    });
    this.#button.addEventListener("click", () => {
      if (this.#running) this.#running.abort();
      else void this.#compute();
    });
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width === this.#width || width === 0) return;
      this.#width = width;
      this.#redraw();
    }).observe(this.#plots);
  }

  setState(state: State): void {
    this.#state = state;
    if (!this.#running) this.#showRest();
  }

  /** Lines have their colours by name, but pixels do not. */
  setTheme(theme: Theme): void {
    if (theme === this.#theme) return;
    this.#theme = theme;
    this.#redraw();
  }

  async #compute(): Promise<void> {
    const state = this.#state;
    const reason = this.#figure.reason?.(state);
    if (reason) {
      this.#drawn = null;
      this.#redraw();
      this.#say("unavailable", reason);
      return;
    }
    const controller = new AbortController();
    this.#running = controller;
    this.#progress(0);
    try {
      await this.#ask(this.#figure.id, state, controller.signal, (data, fraction) => {
        if (controller.signal.aborted) return;
        this.#progress(fraction);
        if (!data) return;
        this.#drawn = { data, whole: false, state };
        this.#plots.classList.remove("stale");
        this.#redraw();
      });
      this.#running = null;
      if (this.#drawn) this.#drawn.whole = true;
      this.#showRest();
    } catch (error) {
      this.#running = null;
      const { code, message } = error as EngineError;
      const text = code === "Aborted" ? "Cancelled." : `${message}`;
      const found = this.#drawn?.state === state ? ` ${PART}` : "";
      this.#say("stopped", text + found, "Compute");
    }
    this.#redraw();
  }

  #progress(fraction: number): void {
    this.#bar.value = fraction;
    this.#share.textContent = formatPercent(Math.round(fraction * 100) / 100);
    if (this.root.dataset.state !== "running") this.#say("running", "Computing", "Cancel");
  }

  #showRest(): void {
    const drawn = this.#drawn;
    if (!drawn) {
      const reason = this.#figure.reason?.(this.#state);
      this.#say(reason ? "unavailable" : "empty", reason ?? "", reason ? undefined : "Compute");
    } else if (this.#figure.key(drawn.state) !== this.#figure.key(this.#state)) {
      this.#say("stale", "This belongs to other settings.", "Compute again");
    } else if (drawn.whole) this.#say("done", "");
    else if (this.root.dataset.state !== "stopped") this.#say("stopped", PART, "Compute");
  }

  #say(state: string, text: string, button?: string): void {
    this.root.dataset.state = state;
    this.root.setAttribute("aria-busy", String(state === "running"));
    // What is computed anew stays faded until the first of it is there.
    if (state !== "running") this.#plots.classList.toggle("stale", state === "stale");
    this.#status.textContent = text;
    this.#bar.hidden = state !== "running";
    this.#share.hidden = state !== "running";
    this.#button.hidden = button === undefined;
    this.#button.textContent = button ?? "";
  }

  #draw(): void {
    const drawn = this.#drawn;
    this.#table.root.hidden = !drawn;
    if (!drawn) {
      for (const part of [this.#plots, this.#legend, this.#finding]) part.replaceChildren();
      return;
    }
    if (this.#width === 0) return;
    const { charts, legend } = this.#figure.draw(drawn.data, this.#width, this.#theme);
    for (const chart of charts) chart.setAttribute("aria-hidden", "true");
    this.#plots.replaceChildren(...charts);
    this.#legend.replaceChildren(...legend.map((item) => element("li", {}, swatch(item), item.label)));
    const finding = this.#figure.finding(drawn.data);
    this.#finding.textContent = finding;
    this.#plots.setAttribute(
      "aria-label",
      `${this.#figure.title}. ${finding} The numbers are in the table below.`,
    );
    this.#table.show(this.#figure.table(drawn.data));
  }

  async #file(ending: string, type: string, make: (data: FigureData[Id]) => string | Promise<Blob>) {
    if (!this.#drawn) return null;
    const { data, state } = this.#drawn;
    return {
      name: `${state.preset}-${this.#figure.id}.${ending}`,
      content: new Blob([await make(data)], { type }),
    };
  }

  #svg(): string {
    const legend = this.#drawn ? this.#figure.draw(this.#drawn.data, this.#width, this.#theme).legend : [];
    return chartSvg(this.#plots.children, legend);
  }

  #json(data: FigureData[Id]): string {
    const state = this.#drawn?.state ?? this.#state;
    const asked = { ...settings(state), temperature: state.temperature };
    const numbers = this.#figure.numbers?.(data) ?? data;
    return `${JSON.stringify({ figure: this.#figure.id, settings: asked, ...numbers }, null, 1)}\n`;
  }
}

const SHAPES = { triangle: "M13 1 L18 10 H8 Z", diamond: "M13 1 L18 6 L13 11 L8 6 Z" };

/** A piece of a line, or a mark. */
function swatch({ colour, dash = "none", width = 2, symbol }: LegendItem): SVGElement {
  const make = (name: string, attributes: Record<string, string>) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const svg = make("svg", { "aria-hidden": "true" });
  if (symbol) {
    const circle = { cx: "13", cy: "6", r: "4.5" };
    const mark = symbol === "circle" ? make("circle", circle) : make("path", { d: SHAPES[symbol] });
    mark.style.fill = colour;
    svg.append(mark);
  } else {
    const line = make("line", { x1: "0", x2: "26", y1: "6", y2: "6", "stroke-width": String(width) });
    line.style.stroke = colour;
    if (dash !== "none") line.setAttribute("stroke-dasharray", dash);
    svg.append(line);
  }
  return svg;
}
