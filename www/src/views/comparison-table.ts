import { FEATURES_LABELS, SUPPORT_LABELS } from "../lib/combinations.ts";
import type { Side } from "../lib/comparison.ts";
import { formatCount, formatMilliseconds, formatNumber, formatPercent } from "../lib/format.ts";
import { METHODS, type Question } from "../lib/request.ts";
import type { Summary } from "../lib/results.ts";
import { element } from "./dom.ts";
import { METHOD_TEXTS } from "./summary.ts";

/** Settings and results of A and B, one a row. Settings that differ are marked. */
export class ComparisonTable {
  readonly root = element("table", { class: "comparison" });
  readonly #body = element("tbody");

  constructor() {
    const column = (name: string, what: string) =>
      element("th", { scope: "col" }, name, element("span", { class: "which" }, what));
    this.root.append(
      element("caption", { class: "hidden" }, "The settings A and the pinned settings B"),
      element("thead", {}, element("tr", {}, element("td"), column("A", " set now"), column("B", " pinned"))),
      this.#body,
    );
  }

  /** What is not computed yet is null. */
  show(a: Side | null, b: Question, summaryOfB: Summary | null): void {
    this.#body.replaceChildren(
      ...(a ? settings(a.question, b) : []),
      ...results(a?.summary ?? null, summaryOfB),
    );
  }
}

function settings(a: Question, b: Question): HTMLElement[] {
  const setting = <T>(term: string, read: (question: Question) => T, format: (value: T) => string) => {
    const [ours, theirs] = [read(a), read(b)];
    const differs = ours !== theirs;
    const head = element("th", { scope: "row" }, term);
    if (differs) head.append(element("span", { class: "hidden" }, " (differs)"));
    const cell = (value: T) => element("td", { "data-value": String(value) }, format(value));
    return element("tr", differs ? { class: "differs" } : {}, head, cell(ours), cell(theirs));
  };
  return [
    setting(
      "Temperature",
      ({ temperature }) => temperature,
      (value) => formatNumber(value),
    ),
    setting("Budget", ({ budget }) => budget, formatPercent),
    setting(
      "Split",
      ({ split }) => split,
      (value) => `${formatPercent(value)} sparse`,
    ),
    setting(
      "Support",
      ({ support }) => support,
      (kind) => SUPPORT_LABELS[kind],
    ),
    setting(
      "Features",
      ({ features }) => features,
      (kind) => FEATURES_LABELS[kind],
    ),
    setting("Seed", ({ seed }) => seed, String),
  ];
}

function results(a: Summary | null, b: Summary | null): HTMLElement[] {
  const result = (
    name: string,
    term: string,
    read: (summary: Summary) => number | undefined,
    format: (value: number) => string,
  ) => {
    const cell = (summary: Summary | null) => {
      const value = summary ? read(summary) : undefined;
      return element("td", { "data-value": String(value ?? "") }, value === undefined ? "…" : format(value));
    };
    return element("tr", { "data-result": name }, element("th", { scope: "row" }, term), cell(a), cell(b));
  };
  return [
    ...METHODS.map((method) =>
      result(
        method,
        `Error: ${METHOD_TEXTS[method].label}`,
        ({ errors }) => errors[method],
        (error) => formatNumber(error),
      ),
    ),
    result("floats", "Floats allowed per query", ({ budgetFloats }) => budgetFloats, formatCount),
    result(
      "support",
      "Support, entries per query",
      ({ supportPerRow }) => supportPerRow,
      (entries) => formatNumber(entries),
    ),
    result("features", "Features per query", ({ features }) => features, formatCount),
    result("time", "Time", ({ timing }) => timing?.milliseconds, formatMilliseconds),
  ];
}
