import { position, type Scale, valueAt } from "./scale.ts";

export interface Tick {
  value: number;
  /** 0 to 1 along the legend. */
  place: number;
}

/** Round values inside a colour scale, at most about `count`, from left to right. */
export function legendTicks(scale: Scale, count: number): Tick[] {
  const values = scale.kind === "signed" ? signedTicks(scale, count) : magnitudeTicks(scale, count);
  return values.map((value) => ({ value, place: position(scale, value) }));
}

function magnitudeTicks(scale: Scale, count: number): number[] {
  return scale.transform === "log"
    ? logTicks(scale.low, scale.high, count)
    : evenTicks(scale, 0, 1, count).filter((value) => value >= scale.low && value <= scale.high);
}

/** Zero, and the same values on both sides of it. */
function signedTicks(scale: Scale, count: number): number[] {
  const side = Math.max(1, Math.floor((count - 1) / 2));
  const values =
    scale.transform === "log"
      ? logTicks(scale.low, scale.high, side)
      : evenTicks(scale, 0.5, 1, side).filter((value) => value > 0);
  return [...values.map((value) => -value).reverse(), 0, ...values];
}

/** Powers of ten if there are any two, else 1-2-5 steps, else even steps: the interval may be a few percent wide. */
export function logTicks(low: number, high: number, count: number): number[] {
  const inside = (values: number[]) =>
    values.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  const exponents: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) exponents.push(e);
  const decades = inside(exponents.map((e) => Number(`1e${e}`)));
  if (decades.length >= 2) return thin(decades, count);
  const fine = inside(exponents.flatMap((e) => [1, 2, 5].map((m) => Number(`${m}e${e}`))));
  return fine.length >= 2 ? thin(fine, count) : linearTicks(low, high, count);
}

/** Round values near evenly spaced places of the scale, which square-root scales need. */
function evenTicks(scale: Scale, from: number, to: number, count: number): number[] {
  if (scale.transform === "linear") {
    return linearTicks(valueAt(scale, from), valueAt(scale, to), count);
  }
  const values = new Set<number>();
  for (let i = 0; i <= count; i++) {
    const value = valueAt(scale, from + ((to - from) * i) / count);
    if (value === 0) continue;
    // Rounded down to one digit, which keeps it inside the scale.
    const unit = 10 ** Math.floor(Math.log10(value) + 1e-9);
    values.add(Number((Math.floor(value / unit + 1e-9) * unit).toPrecision(1)));
  }
  return [...values].sort((a, b) => a - b);
}

function linearTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * unit >= rough * 0.999) ?? 10) * unit;
  const values: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i++) {
    values.push(Number((i * step).toPrecision(12)));
  }
  return values;
}

/** Every second, third, ... value, so that at most `count` are left and the last one stays. */
function thin(values: number[], count: number): number[] {
  const step = Math.max(1, Math.ceil(values.length / Math.max(1, count)));
  return values.filter((_, i) => (values.length - 1 - i) % step === 0);
}
