import { RANGES } from "./state.ts";

const { min, max } = RANGES.temperature;

/** Decimals of log10 that one step of the slider moves. */
export const SLIDER = { min: Math.log10(min), max: Math.log10(max), step: 0.01 };

/** The slider's place for a temperature. */
export function toSlider(temperature: number): number {
  return Math.log10(temperature);
}

/** Three digits are enough to come back to, and keep the address short. */
export function fromSlider(place: number): number {
  return roundTemperature(10 ** place);
}

export function roundTemperature(temperature: number): number {
  return Number(Math.min(max, Math.max(min, temperature)).toPrecision(3));
}

/** What a reader typed; null if it is no temperature in range. */
export function parseTemperature(text: string): number | null {
  const value = Number(text.trim().replace(",", "."));
  return text.trim() !== "" && value >= min && value <= max ? roundTemperature(value) : null;
}

const PER_DECADE = 8;

/** The temperatures of the curve, ascending: eight a decade, 1 among them. */
export function curveTemperatures(): number[] {
  const first = Math.round(Math.log10(min) * PER_DECADE);
  const last = Math.round(Math.log10(max) * PER_DECADE);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    roundTemperature(10 ** ((first + i) / PER_DECADE)),
  );
}

/**
 * The same temperatures, ends first and then ever finer between them: the shape of the curve is there after a
 * few of them.
 */
export function coarseToFine<T>(values: readonly T[]): T[] {
  const order: T[] = [];
  const taken = new Set<number>();
  const take = (i: number) => {
    if (i >= values.length || taken.has(i)) return;
    taken.add(i);
    order.push(values[i] as T);
  };
  let step = 2 ** Math.ceil(Math.log2(Math.max(1, values.length - 1)));
  for (; step >= 1; step /= 2) {
    for (let i = 0; i < values.length; i += step) take(i);
    if (step > 1) take(values.length - 1);
  }
  return order;
}
