import { FEATURES_LABELS, SUPPORT_LABELS } from "../lib/combinations.ts";
import { compareErrors, compareInWords, type Side } from "../lib/comparison.ts";
import { type MapFormat, mapFileName } from "../lib/export.ts";
import { formatNumber } from "../lib/format.ts";
import { isWhole, wholeRegion } from "../lib/region.ts";
import { questionOf } from "../lib/request.ts";
import type { Entry, Look, Picture, PictureSource, Summary } from "../lib/results.ts";
import type { Maps as Four } from "../lib/scale.ts";
import type { Cell, Replacement, State } from "../lib/state.ts";
import type { EngineError } from "../worker/client.ts";
import { ComparisonTable } from "./comparison-table.ts";
import { element, oncePerFrame } from "./dom.ts";
import { HeatMap } from "./heat-map.ts";
import { eachMap, MAP_NAMES, MAP_TEXTS } from "./map-texts.ts";
import type { Drawing, MapCursor } from "./maps.ts";
import { coarse, ShownPicture } from "./shown-picture.ts";
import { Status } from "./status.ts";

export interface PinnedViewEvents {
  onSwap(): void;
  onStop(): void;
  onCancel(): void;
  onRetry(): void;
}

/**
 * The maps of what is pinned, B, below those of the settings, A: in the same places and colours, with the same
 * cursor and view. What differs stands beside them, in words and in a table.
 */
export class Pinned {
  readonly #root: HTMLElement;
  readonly #maps: Four<HeatMap>;
  readonly #table = new ComparisonTable();
  readonly #words = element("p", { class: "words" });
  readonly #replaced = element("p", { class: "note replaced" });
  readonly #status: Status;
  readonly #events: PinnedViewEvents;
  readonly #redraw = oncePerFrame(() => this.#draw());
  #pinned: State;
  /** Null until it is computed, and while another one is. */
  #shown: ShownPicture | null = null;
  #summary: Summary | null = null;
  #a: Side | null = null;
  /** Of A. */
  #drawing: Drawing | null = null;
  #cell: Cell | null = null;

  /** `pinned`: the state that would show B in place of A. */
  constructor(root: HTMLElement, pinned: State, cursor: MapCursor, events: PinnedViewEvents) {
    this.#root = root;
    this.#pinned = pinned;
    this.#events = events;
    const heatMap = (name: keyof Four<unknown>) => {
      const { className, title, ...text } = MAP_TEXTS[name];
      return new HeatMap(
        { ...text, className: `pinned-${className}`, title: `${title} of B` },
        {
          ...cursor,
          onData: (format) => this.#data(format, name),
          imageName: () => this.#fileName(name, "png"),
          onResize: this.#redraw,
        },
      );
    };
    this.#maps = eachMap(heatMap);
    const alert = element("div", { class: "alert", role: "alert", hidden: "" });
    root.replaceChildren(
      element(
        "div",
        { class: "pinned-head" },
        element("h2", { id: "pinned-title" }, "B: the pinned settings"),
        button("Swap A and B", events.onSwap),
        button("Stop comparing", events.onStop),
        this.#words,
        this.#replaced,
        alert,
      ),
      ...MAP_NAMES.map((name) => this.#maps[name].figure),
      this.#table.root,
    );
    this.#status = new Status(root, alert, () => {
      events.onCancel();
      this.#shown?.cancel();
    });
    root.hidden = false;
  }

  /** What a picture of B should hold, so that the maps can be drawn at once. */
  get look(): Look {
    const { region, tokens } = this.#drawing ?? { region: wholeRegion(1), tokens: 1 };
    const view = isWhole(region, tokens) ? null : region;
    return { size: this.#maps.exact.resolution, view, cell: this.#cell };
  }

  /** Which error is the larger one, once both are computed. */
  get headline(): string {
    const [a, b] = [this.#a, this.#b];
    return a && b ? compareErrors(a, b) : "";
  }

  get #b(): Side | null {
    return this.#summary && { question: questionOf(this.#pinned), summary: this.#summary };
  }

  show(pinned: State, replacements: readonly Replacement[]): void {
    this.#pinned = pinned;
    this.#replaced.hidden = replacements.length === 0;
    this.#replaced.textContent = replacements.map(replacedInWords).join(" ");
    this.#showDifferences();
  }

  /** What is on the screen is of another pin or head: no more than a backdrop. */
  fade(): void {
    this.#root.classList.add("faded");
    this.#setBusy(true);
    this.#shown?.cancel();
    this.#shown = null;
    this.#summary = null;
    this.#showCell();
    this.#showDifferences();
  }

  progress(fraction: number): void {
    this.#status.progress("Computing B", fraction);
  }

  showPicture(picture: Picture, pinned: State, source: PictureSource): void {
    this.#shown = new ShownPicture(picture, pinned, source, {
      onGrids: this.#redraw,
      onEntry: () => this.#showCell(),
      onError: (error) => this.#complain(error),
    });
    this.#root.classList.remove("faded");
    this.#redraw();
  }

  showSummary(summary: Summary): void {
    this.#summary = summary;
    this.#setBusy(false);
    this.#showDifferences();
  }

  /** Something of the picture is being computed, or written to a file. */
  showPart(what: string, fraction: number): void {
    if (this.#summary) this.#status.aside(what, fraction);
  }

  endPart(): void {
    if (this.#summary) this.#status.end();
  }

  showStopped(message: string): void {
    this.#setBusy(false);
    this.#status.complain(`${message} B is not computed.`, "Try again", () => this.#retry());
  }

  #complain(error: unknown): void {
    const { code, message } = error as EngineError;
    if (code !== "Aborted") this.#status.complain(message, "Try again", () => this.#retry());
  }

  #retry(): void {
    this.#setBusy(true);
    this.#events.onRetry();
  }

  #setBusy(busy: boolean): void {
    this.#root.setAttribute("aria-busy", String(busy));
    if (busy) this.#status.begin();
    else this.#status.end();
  }

  /** The maps and numbers of A have changed. */
  showA(a: Side | null): void {
    this.#a = a;
    this.#showDifferences();
  }

  setDrawing(drawing: Drawing): void {
    this.#drawing = drawing;
    // Asked for now, it may be there when the frame is drawn.
    this.#fitting()?.grids(drawing.region, this.#maps.exact.resolution);
    this.#redraw();
  }

  setCell(cell: Cell | null): void {
    this.#cell = cell;
    this.#showCell();
  }

  /** The entry of B under the cursor, once it is known. */
  get entry(): Entry | null {
    return (this.#cell && this.#fitting()?.entry(this.#cell)) ?? null;
  }

  /** Between heads the maps of A may be of one and those of B of the other. */
  #fitting(): ShownPicture | null {
    return this.#shown?.picture.tokens === this.#drawing?.tokens ? this.#shown : null;
  }

  #draw(): void {
    const [drawing, shown] = [this.#drawing, this.#fitting()];
    const size = this.#maps.exact.resolution;
    if (!drawing || !shown || size === 0) return;
    const { region, tokens, scales, theme } = drawing;
    const fine = shown.grids(region, size);
    if (!fine && !shown.drawingLate) return;
    const { stats, ...whole } = shown.picture.grids;
    const grids = fine ?? coarse(whole, region, tokens);
    this.#root.classList.toggle("zoomed", !isWhole(region, tokens));
    for (const name of MAP_NAMES) {
      this.#maps[name].draw(grids[name], scales[name], stats[name], theme);
      this.#maps[name].showRange(region);
    }
    this.#showCell();
  }

  #showCell(): void {
    const [entry, drawing, shown] = [this.entry, this.#drawing, this.#shown];
    if (!drawing) return;
    for (const name of MAP_NAMES) this.#maps[name].showCell(this.#cell, drawing.region);
    // A moment later there is one.
    if (shown?.reading && !shown.readingLate) return;
    for (const name of MAP_NAMES) {
      if (!entry) this.#maps[name].showValue("", null);
      else if (entry.masked) this.#maps[name].showValue("future", null);
      else this.#maps[name].showValue(formatNumber(entry[name]), entry[name]);
    }
  }

  #showDifferences(): void {
    const [a, b] = [this.#a, this.#b];
    this.#words.textContent = a && b ? compareInWords(a, b) : "";
    this.#table.show(a, questionOf(this.#pinned), this.#summary);
  }

  async #data(format: MapFormat, map: keyof Four<unknown>) {
    const [drawing, shown] = [this.#drawing, this.#shown];
    if (!drawing || !shown) return null;
    try {
      const content = await shown.write(format, map, drawing.region);
      return { name: this.#fileName(map, format), content };
    } catch (error) {
      this.#complain(error);
      return null;
    }
  }

  #fileName(map: keyof Four<unknown>, ending: string): string {
    const region = this.#drawing?.region ?? wholeRegion(1);
    return `pinned-${mapFileName(this.#pinned, map, region, ending)}`;
  }
}

function button(label: string, onClick: () => void): HTMLButtonElement {
  const node = element("button", { type: "button" }, label);
  node.addEventListener("click", onClick);
  return node;
}

function replacedInWords({ what, from, to, reason }: Replacement): string {
  const labels: Record<string, string> = what === "support" ? SUPPORT_LABELS : FEATURES_LABELS;
  return `B has ${labels[to]} instead of ${labels[from]}, which ${reason}.`;
}
