import { magnitudeRamp, NAN_COLOUR, signedRamp, type Theme } from "../lib/colour.ts";
import { formatTick } from "../lib/format.ts";
import { clipping, type Scale } from "../lib/scale.ts";
import type { Transform } from "../lib/state.ts";
import type { Stats } from "../lib/stats.ts";
import { legendTicks, type Tick } from "../lib/ticks.ts";
import { element } from "./dom.ts";

const PIXELS_PER_TICK = 62;
const LABEL_PIXELS = 44;
/** Labels nearer to an end than this would stick out over it. */
const EDGE_PIXELS = 20;

const SCALE_NAMES: Record<Transform, string> = { log: "log", sqrt: "square-root", linear: "linear" };

/** The colour scale of one map: ramp, ticks, and what lies beyond. */
export class Legend {
  readonly root: HTMLElement;
  readonly #bar = element("div", { class: "legend-bar" });
  readonly #ticks = element("div", { class: "legend-ticks", "aria-hidden": "true" });
  readonly #note = element("div", { class: "legend-note" });

  constructor() {
    this.root = element("div", { class: "legend" }, this.#bar, this.#ticks, this.#note);
  }

  show(scale: Scale, stats: Stats, theme: Theme, width: number): void {
    const { stops } = scale.kind === "signed" ? signedRamp(theme) : magnitudeRamp();
    this.#bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const { below, above } = clipping(scale, stats);
    const ticks = legendTicks(scale, Math.max(2, Math.round(width / PIXELS_PER_TICK)));
    this.#ticks.replaceChildren(
      ...spaced(ticks, width).map(({ value, place }) => {
        const tick = element("span", {}, formatTick(value));
        tick.style.left = `${place * 100}%`;
        if (place * width < EDGE_PIXELS) tick.className = "start";
        else if ((1 - place) * width < EDGE_PIXELS) tick.className = "end";
        return tick;
      }),
    );
    const top = formatTick(scale.high);
    const bottom = formatTick(scale.kind === "signed" ? -scale.high : scale.low);
    this.#bar.setAttribute("role", "img");
    this.#bar.setAttribute(
      "aria-label",
      `Colour scale from ${bottom} to ${top}, ${SCALE_NAMES[scale.transform]}`,
    );
    const clip = clipText(below, above, bottom, top);
    this.#showNote(`weight, ${SCALE_NAMES[scale.transform]} scale${clip}`, stats.nan);
  }

  #showNote(text: string, nan: boolean): void {
    this.#note.replaceChildren(text);
    if (!nan) return;
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = NAN_COLOUR;
    this.#note.append("; ", swatch, "not a number");
  }
}

/** Leaves out labels that would run into another; those nearest to the ends and the middle have precedence. */
export function spaced(ticks: readonly Tick[], width: number): Tick[] {
  const weight = ({ place }: Tick) => Math.min(place, 1 - place, Math.abs(place - 0.5));
  const kept: Tick[] = [];
  for (const tick of [...ticks].sort((a, b) => weight(a) - weight(b))) {
    const room = (other: Tick) => Math.abs(tick.place - other.place) * width >= LABEL_PIXELS;
    if (kept.every(room)) kept.push(tick);
  }
  return kept;
}

function clipText(below: boolean, above: boolean, bottom: string, top: string): string {
  if (below && above && bottom.endsWith(top)) return `; clipped beyond ±${top}`;
  if (below && above) return `; clipped below ${bottom} and above ${top}`;
  if (below) return `; clipped below ${bottom}`;
  return above ? `; clipped above ${top}` : "";
}
