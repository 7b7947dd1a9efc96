import * as Plot from "@observablehq/plot";

/** What the charts of all figures have in common. */

const MARGIN_LEFT = 52;

export function plotDefaults(width: number) {
  return {
    width,
    marginLeft: MARGIN_LEFT,
    marginRight: 12,
    marginTop: 24,
    marginBottom: 36,
    style: { background: "transparent", overflow: "visible" },
  };
}

export function axisY(ticks: readonly number[], tickFormat: (value: number) => string) {
  return Plot.axisY(ticks, { tickSize: 0, tickFormat, fill: "var(--soft)" });
}

export function axisX(
  ticks: readonly (number | string)[],
  tickFormat: (value: number) => string,
  label: string,
) {
  return Plot.axisX(ticks, {
    tickSize: 4,
    tickFormat,
    stroke: "var(--edge)",
    fill: "var(--soft)",
    label,
    labelAnchor: "center",
    labelArrow: "none",
  });
}

/** Above the frame, from its left edge: axis labels of Plot's own would lie over the tick labels. */
export function title(text: string) {
  return Plot.text([text], { frameAnchor: "top-left", dy: -18, dx: -MARGIN_LEFT, fill: "var(--soft)" });
}
