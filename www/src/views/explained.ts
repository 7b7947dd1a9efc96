import { formatNumber } from "../lib/format.ts";
import type { Entry } from "../lib/results.ts";
import { element } from "./dom.ts";

/** Where the entry under the cell cursor comes from, step by step. */
export class Explained {
  readonly #root: HTMLElement;

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  show(entry: Entry | null): void {
    this.#root.replaceChildren();
    if (!entry || entry.masked) return;
    const { query, key, dot, logit, exact, lowRank, approximation, inSupport, error } = entry;
    const rows: [name: string, term: string, formula: string, value: number][] = [
      ["dot", "q·k", "the head’s own", dot],
      ["logit", "Logit", "b q·k", logit],
      ["exact", "Exact weight", "exp(logit) / row sum", exact],
      ["low-rank", "Low-rank weight", "φ(q)·φ(k) / Â’s row sum", lowRank],
      [
        "approximation",
        "In the estimate",
        inSupport ? "on S: exact logit" : "not on S: low rank",
        approximation,
      ],
      ["error", "Error", "estimate − exact", error],
    ];
    this.#root.setAttribute("aria-label", `Query ${query}, key ${key}, step by step`);
    this.#root.append(
      ...rows.map(([name, term, formula, value]) =>
        element(
          "div",
          { "data-step": name },
          element("dt", {}, term, element("span", { class: "formula" }, formula)),
          element("dd", { "data-value": String(value) }, formatNumber(value)),
        ),
      ),
    );
  }
}
