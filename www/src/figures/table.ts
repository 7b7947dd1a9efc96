import { formatNumber } from "../lib/format.ts";
import type { Table } from "../lib/table.ts";
import { element } from "../views/dom.ts";

/** A figure's numbers, for those who cannot see it or want them. Not finite: an empty cell. */
export class FigureTable {
  readonly root: HTMLDetailsElement;
  readonly #table = element("table");

  constructor(title: string) {
    const scroll = element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: numbers` },
      this.#table,
    );
    this.root = element("details", { class: "curve-table" }, element("summary", {}, "As a table"), scroll);
  }

  show({ columns, rows }: Table): void {
    const head = element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text)));
    const body = rows.map((row) =>
      element(
        "tr",
        {},
        ...row.map((value, column) => {
          if (column === 0) return element("th", { scope: "row" }, text(value));
          return element("td", { "data-value": String(value) }, text(value));
        }),
      ),
    );
    this.#table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  }
}

function text(value: string | number): string {
  if (typeof value === "string") return value;
  return Number.isFinite(value) ? formatNumber(value) : "";
}
