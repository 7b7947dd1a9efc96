import { FEATURES_LABELS, SUPPORT_LABELS } from "../lib/combinations.ts";
import { compareErrors, compareInWords, type Side } from "../lib/comparison.ts";
import { mapFileName, mapJson } from "../lib/export.ts";
import { formatNumber } from "../lib/format.ts";
import { isWhole } from "../lib/region.ts";
import { questionOf } from "../lib/request.ts";
import { type Entry, entryAt, gridsOf, type Picture, type Summary, shrink } from "../lib/results.ts";
import type { Maps as Four } from "../lib/scale.ts";
import type { Cell, Replacement, State } from "../lib/state.ts";
import { ComparisonTable } from "./comparison-table.ts";
import { element, oncePerFrame } from "./dom.ts";
import { HeatMap } from "./heat-map.ts";
import { MAP_NAMES, MAP_TEXTS } from "./map-texts.ts";
import type { Look, MapCursor } from "./maps.ts";
import { Status } from "./status.ts";

export interface PinnedViewEvents {
  onSwap(): void;
  onStop(): void;
  onCancel(): void;
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
  readonly #redraw = oncePerFrame(() => this.#draw());
  #pinned: State;
  /** Null until it is computed, and while another one is. */
  #picture: Picture | null = null;
  #summary: Summary | null = null;
  #a: Side | null = null;
  #look: Look | null = null;
  #cell: Cell | null = null;

  /** `pinned`: the state that would show B in place of A. */
  constructor(root: HTMLElement, pinned: State, cursor: MapCursor, events: PinnedViewEvents) {
    this.#root = root;
    this.#pinned = pinned;
    const heatMap = (name: keyof Four<unknown>) => {
      const { className, title, ...text } = MAP_TEXTS[name];
      return new HeatMap(
        { ...text, className: `pinned-${className}`, title: `${title} of B` },
        {
          ...cursor,
          onData: () => this.#data(name),
          imageName: () => this.#fileName(name, "png"),
          onResize: this.#redraw,
        },
      );
    };
    this.#maps = {
      exact: heatMap("exact"),
      lowRank: heatMap("lowRank"),
      sparse: heatMap("sparse"),
      error: heatMap("error"),
    };
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
    this.#status = new Status(root, alert, events.onCancel);
    root.hidden = false;
  }

  get resolution(): number {
    return this.#maps.exact.resolution;
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
    this.#picture = null;
    this.#summary = null;
    this.#showCell();
    this.#showDifferences();
  }

  progress(fraction: number): void {
    this.#status.progress("Computing B", fraction);
  }

  showPicture(picture: Picture): void {
    this.#picture = picture;
    this.#root.classList.remove("faded");
    this.#redraw();
  }

  showSummary(summary: Summary): void {
    this.#summary = summary;
    this.#setBusy(false);
    this.#showDifferences();
  }

  showStopped(message: string, onRetry: () => void): void {
    this.#setBusy(false);
    this.#status.complain(`${message} B is not computed.`, "Try again", () => {
      this.#setBusy(true);
      onRetry();
    });
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

  setLook(look: Look): void {
    this.#look = look;
    this.#redraw();
  }

  setCell(cell: Cell | null): void {
    this.#cell = cell;
    this.#showCell();
  }

  /** The entry of B under the cursor. */
  get entry(): Entry | null {
    const [cell, picture] = [this.#cell, this.#picture];
    return cell && picture && this.#fits(picture) ? entryAt(picture, cell.query, cell.key) : null;
  }

  /** Between heads the maps of A may be of one and those of B of the other. */
  #fits(picture: Picture): boolean {
    return picture.tokens === this.#look?.tokens;
  }

  #draw(): void {
    const [look, picture] = [this.#look, this.#picture];
    const size = this.resolution;
    if (!look || !picture || size === 0 || !this.#fits(picture)) return;
    const { region, tokens, scales, theme } = look;
    if (picture.grids.size !== size) picture.grids = shrink(picture, size);
    const { stats, ...whole } = picture.grids;
    const shown = isWhole(region, tokens) ? whole : gridsOf(picture, size, region);
    this.#root.classList.toggle("zoomed", !isWhole(region, tokens));
    for (const name of MAP_NAMES) {
      this.#maps[name].draw(shown[name], scales[name], stats[name], theme);
      this.#maps[name].showRange(region);
    }
    this.#showCell();
  }

  #showCell(): void {
    const [entry, look] = [this.entry, this.#look];
    if (!look) return;
    for (const name of MAP_NAMES) {
      const map = this.#maps[name];
      map.showCell(this.#cell, look.region);
      if (!entry) map.showValue("", null);
      else if (entry.masked) map.showValue("future", null);
      else map.showValue(formatNumber(entry[name]), entry[name]);
    }
  }

  #showDifferences(): void {
    const [a, b] = [this.#a, this.#b];
    this.#words.textContent = a && b ? compareInWords(a, b) : "";
    this.#table.show(a, questionOf(this.#pinned), this.#summary);
  }

  async #data(map: keyof Four<unknown>) {
    const [look, picture] = [this.#look, this.#picture];
    if (!look || !picture) return null;
    const parts = await mapJson(picture, this.#pinned, map, look.region);
    return { name: this.#fileName(map, "json"), content: new Blob(parts, { type: "application/json" }) };
  }

  #fileName(map: keyof Four<unknown>, ending: string): string {
    const region = this.#look?.region ?? { query: 0, key: 0, size: 0 };
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
