/** Numbers are told apart from words, which come first in a row. */
export interface Table {
  columns: readonly string[];
  rows: readonly (readonly (string | number)[])[];
}

/** Fields with a comma, a quote or a line break are quoted (RFC 4180). */
export function tableCsv({ columns, rows }: Table): string {
  const field = (value: string | number) => {
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  return [columns, ...rows].map((row) => `${row.map(field).join()}\n`).join("");
}
