import type { Range } from "./state.ts";

/** A plain decimal number, clamped to its range; anything else is the default. */
export function readNumber(
  text: string | null,
  range: Range & { integer?: boolean },
  standard: number,
): number {
  if (text === null || !/^-?\d{1,20}(\.\d{1,20})?(e-?\d{1,2})?$/.test(text)) return standard;
  const value = range.integer ? Math.round(Number(text)) : Number(text);
  return Math.min(range.max, Math.max(range.min, value));
}

export function oneOf<T extends string, S>(text: string | null, allowed: readonly T[], standard: S): T | S {
  return allowed.find((value) => value === text) ?? standard;
}
