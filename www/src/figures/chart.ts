import * as Plot from "@observablehq/plot";

/** What the charts of all figures have in common. */

const MARGIN_LEFT = 52;

export function plotDefaults(width: number) {
  return {
    width,
    marginLeft: MARGIN_LEFT,
    // Half of the last tick label.
    marginRight: 18,
    marginTop: 24,
    marginBottom: 36,
    style: { background: "transparent", overflow: "visible" },
  };
}

// Labels go in as text: of a format, a logarithmic scale would use only some.

export function axisY(ticks: readonly number[], tickFormat: (value: number) => string) {
  return Plot.axisY(ticks, { tickSize: 0, text: tickFormat, fill: "var(--soft)" });
}

export function axisX(
  ticks: readonly (number | string)[],
  tickFormat: (value: number) => string,
  label: string,
) {
  return Plot.axisX(ticks, {
    tickSize: 4,
    text: tickFormat,
    stroke: "var(--edge)",
    fill: "var(--soft)",
    label,
    labelAnchor: "center",
    labelArrow: "none",
  });
}

/** From 1 to `last`, in about four equal steps. */
export function indexTicks(last: number): number[] {
  const step = 2 ** Math.ceil(Math.log2(Math.max(2, last / 5)));
  return [1, ...Array.from({ length: Math.floor(last / step) }, (_, i) => (i + 1) * step)];
}

/** Above the frame, from its left edge: axis labels of Plot's own would lie over the tick labels. */
export function title(text: string) {
  return Plot.text([text], { frameAnchor: "top-left", dy: -18, dx: -MARGIN_LEFT, fill: "var(--soft)" });
}

interface Stroke {
  colour: string;
  dash?: string;
  width: number;
}

/** A line through marks of its own: Plot's would be dashed with it, and ringed in white in a dark page. */
export function markedLine<Datum>(
  data: readonly Datum[],
  x: (datum: Datum) => number,
  y: (datum: Datum) => number | undefined,
  { colour, dash = "none", width }: Stroke,
) {
  const places = data.map((datum) => ({ x: x(datum), y: y(datum) ?? Number.NaN }));
  return [
    Plot.lineY(places, { x: "x", y: "y", stroke: colour, strokeWidth: width, strokeDasharray: dash }),
    Plot.dot(places, { x: "x", y: "y", r: 1.5 + 0.75 * width, fill: colour, stroke: "var(--page)" }),
  ];
}
