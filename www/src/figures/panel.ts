import { settings } from "../lib/export.ts";
import { formatPercent } from "../lib/format.ts";
import type { State } from "../lib/state.ts";
import { chartSvg, svgToPng } from "../views/chart-image.ts";
import { element, oncePerFrame } from "../views/dom.ts";
import { saveMenu } from "../views/save-menu.ts";
import type { EngineError } from "../worker/client.ts";
import type { Figure, FigureData, FigureId } from "./figure.ts";
import { FigureTable, tableCsv } from "./table.ts";

/** Asks the worker; `onUpdate` gets all there is so far, and the share done. */
export type Ask = <Id extends FigureId>(
  figure: Id,
  state: State,
  signal: AbortSignal,
  onUpdate: (data: FigureData[Id], fraction: number) => void,
) => Promise<void>;

/**
 * One figure: folded until the reader opens it, which computes it. It stays as it is when the settings change, and
 * says that it belongs to others: what takes seconds is computed when it is asked for.
 */
export class FigurePanel<Id extends FigureId> {
  readonly root: HTMLDetailsElement;
  readonly #figure: Figure<Id>;
  readonly #ask: Ask;
  readonly #status = element("span", { role: "status" });
  readonly #button = element("button", { type: "button", hidden: "" });
  readonly #bar = element("progress", { max: "1", hidden: "" });
  readonly #plots = element("div", { class: "figure-plots" });
  readonly #legend = element("ul", { class: "figure-legend" });
  readonly #finding = element("p", { class: "finding" });
  readonly #table: FigureTable;
  readonly #redraw = oncePerFrame(() => this.#draw());
  #state: State;
  /** What is drawn, and the settings that it belongs to. */
  #drawn: { data: FigureData[Id]; state: State } | null = null;
  #running: AbortController | null = null;
  #width = 0;

  constructor(figure: Figure<Id>, state: State, ask: Ask) {
    this.#figure = figure;
    this.#ask = ask;
    this.#state = state;
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
      element("div", { class: "curve-status" }, this.#status, this.#bar, this.#button),
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
        this.#drawn = { data, state };
        this.#progress(fraction);
        this.#redraw();
      });
      this.#running = null;
      this.#showRest();
    } catch (error) {
      this.#running = null;
      const { code, message } = error as EngineError;
      const text = code === "Aborted" ? "Cancelled." : `${message}`;
      this.#say("stopped", this.#drawn ? `${text} Shown is what had been found.` : text, "Compute");
    }
    this.#redraw();
  }

  #progress(fraction: number): void {
    this.#bar.value = fraction;
    this.#say("running", `Computing: ${formatPercent(Math.round(fraction * 100) / 100)}`, "Cancel");
  }

  #showRest(): void {
    const drawn = this.#drawn;
    if (!drawn) {
      const reason = this.#figure.reason?.(this.#state);
      this.#say(reason ? "unavailable" : "empty", reason ?? "", reason ? undefined : "Compute");
    } else if (this.#figure.key(drawn.state) === this.#figure.key(this.#state)) this.#say("done", "");
    else this.#say("stale", "This belongs to other settings.", "Compute again");
  }

  #say(state: string, text: string, button?: string): void {
    this.root.dataset.state = state;
    this.root.setAttribute("aria-busy", String(state === "running"));
    this.#plots.classList.toggle("stale", state === "stale");
    this.#status.textContent = text;
    this.#bar.hidden = state !== "running";
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
    const { charts, legend } = this.#figure.draw(drawn.data, this.#width);
    for (const chart of charts) chart.setAttribute("aria-hidden", "true");
    this.#plots.replaceChildren(...charts);
    this.#legend.replaceChildren(
      ...legend.map(({ label, colour, dash }) => element("li", {}, swatch(colour, dash), label)),
    );
    const finding = this.#figure.finding(drawn.data);
    this.#finding.textContent = finding;
    // No picture to speak of before there is one.
    this.#plots.setAttribute("role", "img");
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
    const legend = this.#drawn ? this.#figure.draw(this.#drawn.data, this.#width).legend : [];
    return chartSvg(this.#plots.children, legend);
  }

  #json(data: FigureData[Id]): string {
    const state = this.#drawn?.state ?? this.#state;
    const asked = { ...settings(state), temperature: state.temperature };
    return `${JSON.stringify({ figure: this.#figure.id, settings: asked, ...data }, null, 1)}\n`;
  }
}

/** A piece of a line. */
function swatch(colour: string, dash = "none"): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: "0", x2: "26", y1: "6", y2: "6", "stroke-width": "2" }))
    line.setAttribute(name, value);
  line.style.stroke = colour;
  if (dash !== "none") line.setAttribute("stroke-dasharray", dash);
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  return svg;
}
