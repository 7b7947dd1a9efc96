import { interpolateLab, piecewise } from "d3-interpolate";
import { interpolateRdBu, interpolateViridis } from "d3-scale-chromatic";

export type Theme = "light" | "dark";

const LEVELS = 257;

/** Packed RGBA in the byte order of canvas image data on this machine. */
export type Pixel = number;

/** The colours of a ramp, for `Uint32Array` views of image data. Their number is odd: zero has one of its own. */
export interface Ramp {
  pixels: Uint32Array;
  /** CSS colours for the legend, from one end to the other. */
  stops: string[];
}

/**
 * Diverging ramp for dark pages: its middle is the page's own darkness, so that zero recedes there too.
 * Blue to orange, which every common colour blindness keeps apart; mixed in Lab, lightness rises evenly both ways.
 */
const darkDiverging = piecewise(interpolateLab, [
  "#bfe3ff",
  "#5ea8e8",
  "#2a6299",
  "#1b1c20",
  "#96501f",
  "#e58f45",
  "#ffdcb0",
]);

/** Middle exactly at the page's white, negative blue, positive red. */
const lightDiverging = (t: number) => interpolateRdBu(1 - t);

/** NaN: a colour that no ramp contains. */
export const NAN_COLOUR = "#ff2fd6";
const nanPixel = pack(NAN_COLOUR);

/** No entry: nothing is drawn and the page shows through. */
export const TRANSPARENT: Pixel = 0;

export function magnitudeRamp(): Ramp {
  return magnitude;
}

export function signedRamp(theme: Theme): Ramp {
  return theme === "dark" ? signedDark : signedLight;
}

export function nanColour(): Pixel {
  return nanPixel;
}

const magnitude = ramp(interpolateViridis);
const signedLight = ramp(lightDiverging);
const signedDark = ramp(darkDiverging);

function ramp(interpolate: (t: number) => string): Ramp {
  const pixels = Uint32Array.from({ length: LEVELS }, (_, i) => pack(interpolate(i / (LEVELS - 1))));
  const stops = Array.from({ length: 17 }, (_, i) => interpolate(i / 16));
  return { pixels, stops };
}

/** Accepts "#rrggbb" and "rgb(r, g, b)", the two forms that the interpolators return. */
function pack(css: string): Pixel {
  const channels = css.startsWith("#")
    ? [1, 3, 5].map((at) => Number.parseInt(css.slice(at, at + 2), 16))
    : (css.match(/\d+/g) ?? []).map(Number);
  return new Uint32Array(Uint8Array.of(...channels.slice(0, 3), 255).buffer)[0] as number;
}
