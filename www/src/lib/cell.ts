import type { Region } from "./region.ts";
import type { Cell } from "./state.ts";

/** The cell under a point of a map that shows `region`; `x` and `y` run from 0 to 1 over it. */
export function cellAt(x: number, y: number, { query, key, size }: Region): Cell {
  return { query: query + index(y, size), key: key + index(x, size) };
}

function index(place: number, entries: number): number {
  return Math.min(entries - 1, Math.max(0, Math.floor(place * entries)));
}

export function clampCell({ query, key }: Cell, tokens: number): Cell {
  return { query: Math.min(query, tokens - 1), key: Math.min(key, tokens - 1) };
}

export interface KeyPress {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

const STRIDE = 10;
/** Page up and down move by this share of the rows. */
const PAGE = 1 / 16;

/**
 * Where a key press moves the cell cursor; null for keys that are none of its business. Arrows move by one, with
 * Shift by ten; Home and End to the ends of the row, with Ctrl to the corners; Page Up and Down by a sixteenth of
 * the rows.
 */
export function moveCell(cell: Cell, press: KeyPress, tokens: number): Cell | null {
  if (press.altKey || press.metaKey) return null;
  const step = press.shiftKey ? STRIDE : 1;
  const page = Math.max(1, Math.round(tokens * PAGE));
  const { query, key } = cell;
  const last = tokens - 1;
  const to = (q: number, k: number): Cell => ({
    query: Math.min(last, Math.max(0, q)),
    key: Math.min(last, Math.max(0, k)),
  });
  if (press.ctrlKey) {
    if (press.key === "Home") return to(0, 0);
    return press.key === "End" ? to(last, last) : null;
  }
  switch (press.key) {
    case "ArrowLeft":
      return to(query, key - step);
    case "ArrowRight":
      return to(query, key + step);
    case "ArrowUp":
      return to(query - step, key);
    case "ArrowDown":
      return to(query + step, key);
    case "Home":
      return to(query, 0);
    case "End":
      return to(query, last);
    case "PageUp":
      return to(query - page, key);
    case "PageDown":
      return to(query + page, key);
    default:
      return null;
  }
}

/** The row in which the cursor starts when the reader has not set it. */
export function startRow(tokens: number): number {
  return Math.floor(tokens / 2);
}

/** And its place there: the entry that the sparse part corrects most, so that the numbers show all there is to see. */
export function strongest(row: Float32Array): number {
  let key = 0;
  row.forEach((value, j) => {
    if (Math.abs(value) > Math.abs(row[key] as number)) key = j;
  });
  return key;
}
