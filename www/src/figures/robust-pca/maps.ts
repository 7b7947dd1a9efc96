import type { Grid } from "../../lib/aggregate.ts";
import { signedRamp, type Theme } from "../../lib/colour.ts";
import { formatTick } from "../../lib/format.ts";
import { paint } from "../../lib/paint.ts";
import type { Scale } from "../../lib/scale.ts";
import { legendTicks } from "../../lib/ticks.ts";
import { spaced } from "../../views/legend.ts";

export interface SmallMap {
  title: string;
  grid: Grid;
}

const XMLNS = "http://www.w3.org/2000/svg";
const GAP = 16;
const TITLE = 22;
const LEGEND = 56;
const BAR = 8;
/** Larger maps would push the numbers off the screen. */
const LARGEST = 300;
const RAMP_ID = "robust-pca-ramp";

/** Maps in rows of two, all on one signed scale, with its colours below. */
export function smallMaps(maps: readonly SmallMap[], scale: Scale, theme: Theme, width: number): SVGElement {
  const side = Math.min(LARGEST, Math.floor((width - GAP) / 2));
  const rows = Math.ceil(maps.length / 2);
  const height = rows * (side + TITLE + GAP) + LEGEND;
  const box = `0 0 ${width} ${height}`;
  const svg = node("svg", { width, height, viewBox: box, "font-size": 12 });
  for (const [i, { title, grid }] of maps.entries()) {
    const x = (i % 2) * (side + GAP);
    const y = Math.floor(i / 2) * (side + TITLE + GAP);
    const square = { x, y: y + TITLE, width: side, height: side };
    svg.append(
      node("text", { x, y: y + 14, fill: "var(--ink)" }, title),
      node("rect", { ...square, fill: "var(--masked)" }),
      node("image", { ...square, href: picture(grid, scale, theme), style: "image-rendering: pixelated" }),
    );
  }
  svg.append(...legend(scale, theme, 2 * side + GAP, height - LEGEND));
  return svg;
}

function picture(grid: Grid, scale: Scale, theme: Theme): string {
  const { width, height } = grid;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pixels = paint(grid, scale, theme, width, height);
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas.toDataURL();
}

function legend(scale: Scale, theme: Theme, width: number, top: number): SVGElement[] {
  const { stops } = signedRamp(theme);
  const gradient = node("linearGradient", { id: RAMP_ID });
  for (const [i, colour] of stops.entries()) {
    gradient.append(node("stop", { offset: i / (stops.length - 1), "stop-color": colour }));
  }
  const parts = [gradient, node("rect", { x: 0, y: top, width, height: BAR, fill: `url(#${RAMP_ID})` })];
  for (const { value, place } of spaced(legendTicks(scale, 5), width)) {
    const anchor = place < 0.05 ? "start" : place > 0.95 ? "end" : "middle";
    const at = { x: place * width, y: top + BAR + 16, "text-anchor": anchor, fill: "var(--soft)" };
    parts.push(node("text", at, formatTick(value)));
  }
  const text = `weight, ${scale.transform} scale, the same for all`;
  parts.push(node("text", { x: 0, y: top + BAR + 34, fill: "var(--soft)" }, text));
  return parts;
}

function node(name: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const out = document.createElementNS(XMLNS, name);
  for (const [key, value] of Object.entries(attributes)) out.setAttribute(key, String(value));
  if (text) out.textContent = text;
  return out;
}
