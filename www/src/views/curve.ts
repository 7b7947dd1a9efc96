import * as Plot from "@observablehq/plot";
import { curveDomain } from "../lib/curve-domain.ts";
import { curveCsv, curveFileName, curveJson } from "../lib/export.ts";
import { formatTick } from "../lib/format.ts";
import { type Regime, regimesOf } from "../lib/regimes.ts";
import { METHODS, type MethodName } from "../lib/request.ts";
import type { CurvePoint } from "../lib/results.ts";
import { DEFAULTS, RANGES, type State, tokensOf } from "../lib/state.ts";
import { roundTemperature } from "../lib/temperature.ts";
import { logTicks } from "../lib/ticks.ts";
import { chartSvg, svgToPng } from "./chart-image.ts";
import { CurveTable } from "./curve-table.ts";
import { element, oncePerFrame } from "./dom.ts";
import { saveMenu } from "./save-menu.ts";
import { METHOD_TEXTS } from "./summary.ts";

export interface CurveEvents {
  /** The reader clicked or dragged on the chart. */
  onTemperature(temperature: number): void;
  onCancel(): void;
  onResume(): void;
}

const MARGIN = { left: 48, right: 10 };
const ERROR_HEIGHT = 232;
const ENTROPY_HEIGHT = 124;
const TICKS = [0.01, 0.1, 1, 10, 100];
const X = { type: "log", domain: [RANGES.temperature.min, RANGES.temperature.max] } as const;
/** Where each is best. */
export const REGIMES: Record<MethodName, { name: string; fill: string }> = {
  sparse: { name: "sparse", fill: "var(--regime-sparse)" },
  "low-rank": { name: "low rank", fill: "var(--regime-low-rank)" },
  scatterbrain: { name: "the sum", fill: "var(--regime-sum)" },
};
/** Narrower regimes have no room for their name. */
const NAMED_WIDTH = 52;
/** The temperature that the head was trained at. */
const OWN = Plot.ruleX([1], { stroke: "var(--edge)", strokeDasharray: "2 3" });

/** Error and entropy against temperature, with the current temperature as a handle. */
export class Curve {
  readonly #plots = element("div", { class: "curve-plots", role: "img" });
  readonly #charts = element("div", {});
  readonly #now = element("div", { class: "curve-now" });
  readonly #status = element("span");
  readonly #button = element("button", { type: "button", hidden: "" });
  #running = false;
  readonly #table = new CurveTable();
  readonly #redraw = oncePerFrame(() => this.#draw());
  readonly #root: HTMLElement;
  #points: CurvePoint[] = [];
  #regimes: Regime[] = [];
  #state = DEFAULTS;
  #temperature = 1;
  #width = 0;

  constructor(root: HTMLElement, events: CurveEvents) {
    this.#root = root;
    this.#plots.append(this.#charts, this.#now);
    const status = element("div", { class: "curve-status" }, this.#status, this.#button);
    const menu = saveMenu("the curve", [
      { label: "Drawing (SVG)", make: () => this.#file("svg", "image/svg+xml", () => this.#svg()) },
      { label: "Picture (PNG)", make: () => this.#file("png", "image/png", () => svgToPng(this.#svg())) },
      { label: "Table (CSV)", make: () => this.#file("csv", "text/csv", () => curveCsv(this.#points)) },
      {
        label: "Numbers (JSON)",
        make: () => this.#file("json", "application/json", () => curveJson(this.#points, this.#state)),
      },
    ]);
    root.append(this.#plots, status, this.#table.root, menu);
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width === this.#width) return;
      this.#width = width;
      this.#redraw();
    }).observe(this.#plots);
    this.#dragging(events);
    this.#button.addEventListener("click", () => {
      if (this.#running) events.onCancel();
      else events.onResume();
    });
  }

  /** How far the computation is; it can be cancelled, and continued. */
  showProgress(done: number, total: number, running: boolean): void {
    this.#running = running;
    this.#button.hidden = !running && done === total;
    this.#button.textContent = running ? "Cancel" : "Continue";
    this.#root.dataset.state = running ? "running" : done < total ? "stopped" : "done";
    if (running) this.#status.textContent = `Computing: ${done} of ${total} temperatures`;
    else if (done < total) this.#status.textContent = `Stopped at ${done} of ${total} temperatures`;
    else {
      this.#status.textContent =
        "Shaded: which of the three is best. Drag in the chart to set the temperature.";
    }
  }

  /** Points in any order; they are drawn from cold to hot. */
  show(points: readonly CurvePoint[], state: State): void {
    this.#plots.classList.remove("stale");
    this.#points = [...points].sort((a, b) => a.temperature - b.temperature);
    this.#state = state;
    this.#regimes = regimesOf(this.#points);
    this.#redraw();
  }

  /** What is drawn belongs to other settings; `waiting`: the new curve follows by itself. */
  fade(waiting: boolean): void {
    this.#plots.classList.add("stale");
    this.#root.dataset.state = "stale";
    this.#running = false;
    this.#status.textContent = waiting ? "Waiting for the maps" : "The curve belongs to other settings.";
    this.#button.hidden = waiting;
    this.#button.textContent = "Compute";
  }

  setTemperature(temperature: number): void {
    this.#temperature = temperature;
    this.#showNow();
    this.#table.mark(temperature);
  }

  #draw(): void {
    // Layouts that only last a moment, such as on the way to a printer, leave no room for a chart.
    if (this.#width <= MARGIN.left + MARGIN.right) return;
    this.#charts.replaceChildren(this.#errorChart(), this.#entropyChart());
    for (const chart of this.#charts.children) chart.setAttribute("aria-hidden", "true");
    this.#plots.setAttribute("aria-label", this.#description());
    this.#table.show(this.#points);
    this.#table.mark(this.#temperature);
    this.#showNow();
  }

  #errorChart(): Element {
    const { low, high } = curveDomain(this.#points);
    const ticks = logTicks(low, high, 6);
    const line = (method: MethodName) => {
      const { colour, dash, width } = METHOD_TEXTS[method];
      return Plot.line(this.#points, {
        x: "temperature",
        y: ({ errors }: CurvePoint) => Math.min(high, Math.max(low, errors[method])),
        stroke: colour,
        strokeWidth: width,
        strokeDasharray: dash,
        curve: "monotone-x",
      });
    };
    return Plot.plot({
      ...this.#common(),
      height: ERROR_HEIGHT,
      marginTop: 24,
      marginBottom: 8,
      x: { ...X, axis: null },
      y: { type: "log", domain: [low, high], label: null },
      marks: [
        Plot.rectX(this.#regimes, {
          x1: "from",
          x2: "to",
          fill: ({ method }: Regime) => REGIMES[method].fill,
        }),
        Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
        Plot.axisY(ticks, { tickSize: 0, tickFormat: formatTick, fill: "var(--soft)" }),
        title("relative output error"),
        OWN,
        ...METHODS.map(line),
        Plot.text(
          this.#regimes.filter(({ from, to }) => this.#place(to) - this.#place(from) > NAMED_WIDTH),
          {
            x: ({ from, to }: Regime) => Math.sqrt(from * to),
            text: ({ method }: Regime) => REGIMES[method].name,
            frameAnchor: "bottom",
            dy: -4,
            fill: "var(--soft)",
          },
        ),
      ],
    });
  }

  #entropyChart(): Element {
    const most = Math.log(tokensOf(this.#state));
    return Plot.plot({
      ...this.#common(),
      height: ENTROPY_HEIGHT,
      marginTop: 26,
      marginBottom: 36,
      x: { ...X, axis: null },
      y: { domain: [0, most], label: null },
      marks: [
        Plot.gridY([0, most], { stroke: "var(--rule)", strokeOpacity: 1 }),
        Plot.axisY([0, most], {
          tickSize: 0,
          tickFormat: (value: number) => (value === 0 ? "0" : value.toFixed(1)),
          fill: "var(--soft)",
        }),
        Plot.axisX(TICKS, {
          tickSize: 4,
          tickFormat: formatTick,
          stroke: "var(--edge)",
          fill: "var(--soft)",
          label: "temperature, times the head’s own",
          labelAnchor: "center",
          labelArrow: "none",
        }),
        title("entropy, nats; top line: log n"),
        OWN,
        Plot.line(this.#points, {
          x: "temperature",
          y: "entropy",
          stroke: "var(--ink)",
          strokeWidth: 1.75,
          curve: "monotone-x",
        }),
      ],
    });
  }

  async #file(ending: string, type: string, make: () => string | Promise<Blob>) {
    if (this.#points.length === 0) return null;
    return {
      name: curveFileName(this.#state, ending),
      content: new Blob([await make()], { type }),
    };
  }

  #svg(): string {
    return chartSvg(
      this.#charts.children,
      METHODS.map((method) => METHOD_TEXTS[method]),
    );
  }

  #common() {
    return {
      width: this.#width,
      marginLeft: MARGIN.left,
      marginRight: MARGIN.right,
      style: { background: "transparent", overflow: "visible" },
    };
  }

  #description(): string {
    const count = this.#points.length;
    return (
      `Relative output error of sparse alone, low rank alone and Scatterbrain, and entropy, against temperature ` +
      `from 0.01 to 100: ${count} temperatures, in the table below.`
    );
  }

  #place(temperature: number): number {
    const { min, max } = RANGES.temperature;
    const share = Math.log(temperature / min) / Math.log(max / min);
    return MARGIN.left + share * (this.#width - MARGIN.left - MARGIN.right);
  }

  #showNow(): void {
    this.#now.hidden = this.#width === 0;
    this.#now.style.transform = `translateX(${this.#place(this.#temperature)}px)`;
  }

  #dragging({ onTemperature }: CurveEvents): void {
    const plots = this.#plots;
    const at = (event: PointerEvent) => {
      const x = event.clientX - plots.getBoundingClientRect().left;
      const share = (x - MARGIN.left) / (this.#width - MARGIN.left - MARGIN.right);
      const { min, max } = RANGES.temperature;
      return roundTemperature(min * (max / min) ** share);
    };
    plots.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      plots.setPointerCapture(event.pointerId);
      onTemperature(at(event));
    });
    plots.addEventListener("pointermove", (event) => {
      if (plots.hasPointerCapture(event.pointerId)) onTemperature(at(event));
    });
  }
}

/** Above the frame, from its left edge: axis labels of Plot's own would lie over the tick labels. */
function title(text: string) {
  return Plot.text([text], { frameAnchor: "top-left", dy: -18, dx: -MARGIN.left, fill: "var(--soft)" });
}
