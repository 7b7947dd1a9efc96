import type { KeyPress } from "./cell.ts";
import { formatCount } from "./format.ts";
import type { Cell } from "./state.ts";

/** A square part of the matrix, in whole entries: so many queries and keys from the first ones on. */
export interface Region {
  query: number;
  key: number;
  size: number;
}

/** A map of fewer entries a side says nothing more. */
export const LEAST_SIZE = 8;

export function wholeRegion(tokens: number): Region {
  return { query: 0, key: 0, size: tokens };
}

/** The nearest region that lies in a matrix of `tokens` a side; null stands for the whole matrix. */
export function clampRegion(region: Region | null, tokens: number): Region {
  if (!region) return wholeRegion(tokens);
  const size = Math.min(tokens, Math.max(LEAST_SIZE, region.size));
  return { query: inside(region.query, size, tokens), key: inside(region.key, size, tokens), size };
}

export function isWhole({ size }: Region, tokens: number): boolean {
  return size >= tokens;
}

/** `factor` below 1 goes nearer. What lies at (x, y), each 0 to 1 over the map, stays there. */
export function zoomAt(region: Region, factor: number, x: number, y: number, tokens: number): Region {
  const size = Math.round(Math.min(tokens, Math.max(LEAST_SIZE, region.size * factor)));
  return clampRegion(
    {
      query: Math.round(region.query + y * (region.size - size)),
      key: Math.round(region.key + x * (region.size - size)),
      size,
    },
    tokens,
  );
}

/** Moves what is seen by a share of the map, as a drag does: to the right and down shows smaller keys and queries. */
export function pan(region: Region, right: number, down: number, tokens: number): Region {
  const { query, key, size } = region;
  return clampRegion(
    { query: Math.round(query - down * size), key: Math.round(key - right * size), size },
    tokens,
  );
}

/** The least move that brings a cell into view. */
export function follow(region: Region, cell: Cell, tokens: number): Region {
  const along = (first: number, index: number) => Math.min(index, Math.max(first, index - region.size + 1));
  return clampRegion(
    { ...region, query: along(region.query, cell.query), key: along(region.key, cell.key) },
    tokens,
  );
}

function inside(first: number, size: number, tokens: number): number {
  return Math.min(tokens - size, Math.max(0, first));
}

/** How much nearer or farther one press of a key or button goes. */
export const ZOOM_STEP = 2;

/** Zooms about a cell where it is in view, else about the middle. */
export function zoomAbout(region: Region, factor: number, cell: Cell, tokens: number): Region {
  const x = (cell.key + 0.5 - region.key) / region.size;
  const y = (cell.query + 0.5 - region.query) / region.size;
  const seen = x > 0 && x < 1 && y > 0 && y < 1;
  return zoomAt(region, factor, seen ? x : 0.5, seen ? y : 0.5, tokens);
}

/** What a key press does to the view: a factor, or the whole matrix; null for keys that are none of its business. */
export function zoomKey(press: KeyPress): number | "whole" | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  switch (press.key) {
    case "+":
    case "=":
      return 1 / ZOOM_STEP;
    case "-":
    case "_":
      return ZOOM_STEP;
    case "0":
    case "Escape":
      return "whole";
    default:
      return null;
  }
}

/** "Queries 512–575, keys 0–63 of 1,025", counted from 0 as in the read-out. */
export function describeRegion(region: Region, tokens: number): string {
  const { query, key, size } = region;
  const range = (first: number) => `${formatCount(first)}–${formatCount(first + size - 1)}`;
  const of = isWhole(region, tokens) ? "" : ` of ${formatCount(tokens)}`;
  return `Queries ${range(query)}, keys ${range(key)}${of}`;
}
