import { formatNumber } from "../lib/format.ts";
import type { CurvePoint } from "../lib/results.ts";
import { element } from "./dom.ts";

/** The curve as a table, for those who cannot see it or want the numbers. */
export class CurveTable {
  readonly root: HTMLDetailsElement;
  readonly #body = element("tbody");

  constructor() {
    const head = ["Temperature", "Sparse alone", "Low rank alone", "Scatterbrain", "Entropy, nats"];
    const table = element(
      "table",
      {},
      element("caption", { class: "hidden" }, "Relative output error and entropy by temperature"),
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      this.#body,
    );
    const scroll = element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Errors and entropy by temperature" },
      table,
    );
    this.root = element(
      "details",
      { class: "curve-table" },
      element("summary", {}, "The curve as a table"),
      scroll,
    );
  }

  show(points: readonly CurvePoint[]): void {
    this.#body.replaceChildren(
      ...points.map(({ temperature, errors, entropy }) => {
        const values = [errors.sparse, errors["low-rank"], errors.scatterbrain, entropy];
        return element(
          "tr",
          { "data-temperature": String(temperature) },
          element("th", { scope: "row" }, formatNumber(temperature)),
          ...values.map((value) => element("td", { "data-value": String(value) }, formatNumber(value))),
        );
      }),
    );
  }

  /** Marks the row of the current temperature, where there is one. */
  mark(temperature: number): void {
    for (const row of this.#body.rows) {
      if (Number(row.dataset.temperature) === temperature) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }
}
