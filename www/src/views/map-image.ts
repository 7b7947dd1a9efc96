import { formatTick } from "../lib/format.ts";
import { describeRegion, type Region } from "../lib/region.ts";
import { position, type Scale } from "../lib/scale.ts";
import { legendTicks } from "../lib/ticks.ts";

export interface MapImage {
  title: string;
  canvas: HTMLCanvasElement;
  region: Region;
  tokens: number;
  scale: Scale;
  /** Of the colour ramp, from one end to the other. */
  stops: readonly string[];
}

/** In CSS pixels, as the page has them. */
const MARGIN = 12;
const LINE = 20;
const BAR = 10;
const TICKS = 5;

/** A map as it is shown, with its title, range and colour legend, as a PNG. */
export function mapImage({ title, canvas, region, tokens, scale, stops }: MapImage): Promise<Blob> {
  const unit = devicePixelRatio;
  const side = MARGIN * unit;
  const line = LINE * unit;
  const { width, height } = canvas;
  const out = new OffscreenCanvas(width + 2 * side, height + 2 * side + 5 * line);
  const context = out.getContext("2d") as OffscreenCanvasRenderingContext2D;
  const { backgroundColor, color } = getComputedStyle(document.documentElement);
  const font = (size: number) => `${size * unit}px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = backgroundColor;
  context.fillRect(0, 0, out.width, out.height);
  context.fillStyle = color;
  context.font = font(15);
  context.fillText(title, side, side + 0.7 * line);
  context.font = font(11);
  context.fillText(describeRegion(region, tokens), side, side + 1.6 * line, width);
  context.fillStyle = getComputedStyle(canvas.parentElement as HTMLElement).backgroundColor;
  context.fillRect(side, side + 2 * line, width, height);
  context.drawImage(canvas, side, side + 2 * line);

  const top = side + 2.5 * line + height;
  const ramp = context.createLinearGradient(side, 0, side + width, 0);
  for (const [i, stop] of stops.entries()) ramp.addColorStop(i / (stops.length - 1), stop);
  context.fillStyle = ramp;
  context.fillRect(side, top, width, BAR * unit);
  context.fillStyle = color;
  for (const { value, place } of legendTicks(scale, TICKS)) {
    const x = side + place * width;
    context.fillRect(x - unit / 2, top + BAR * unit, unit, 4 * unit);
    context.textAlign = place < 0.1 ? "left" : place > 0.9 ? "right" : "center";
    context.fillText(formatTick(value), x, top + (BAR + 16) * unit);
  }
  const middle = position(scale, 0) === 0.5 ? "signed weight" : "weight";
  context.textAlign = "left";
  context.fillText(`${middle}, ${scale.transform} scale`, side, top + (BAR + 32) * unit);
  return out.convertToBlob({ type: "image/png" });
}
