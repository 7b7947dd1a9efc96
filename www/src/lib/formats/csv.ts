import type { Tensor } from "../tensor.ts";

/**
 * Reads a matrix: a row a line, numbers apart by commas, semicolons, tabs or spaces. Empty lines, lines that start with # and a
 * first line of names are passed over. Throws an `Error` that names the line.
 */
export function parseCsv(text: string): Tensor {
  const data: number[] = [];
  let [rows, columns, names] = [0, 0, false];
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  for (const [i, line] of lines.entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const cells = trimmed.split(/\s*[,;]\s*|\s+/);
    const values = cells.map(toNumber);
    if (rows === 0 && !names && values.every((value) => value === null)) {
      names = true;
      continue;
    }
    const wrong = values.indexOf(null);
    if (wrong >= 0) {
      const cell = (cells[wrong] as string).slice(0, 20);
      throw new Error(`csv: line ${i + 1}, column ${wrong + 1}: “${cell}” is not a number`);
    }
    columns ||= values.length;
    if (values.length !== columns) {
      throw new Error(`csv: line ${i + 1} has ${values.length} numbers, the lines before have ${columns}`);
    }
    for (const value of values) data.push(value as number);
    rows++;
  }
  if (rows === 0) throw new Error("csv: the file has no numbers");
  return { shape: [rows, columns], data: Float32Array.from(data) };
}

/** Null for what is no number. The names of what is none by design are let through: the check for them says where they are. */
function toNumber(cell: string): number | null {
  if (/^[+-]?nan$/i.test(cell)) return Number.NaN;
  if (/^[+-]?inf(inity)?$/i.test(cell)) return Number.POSITIVE_INFINITY;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : null;
}
