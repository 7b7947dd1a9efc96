import { formatCount, formatMilliseconds, formatNumber } from "../lib/format.ts";
import type { MethodName } from "../lib/request.ts";
import type { Summary } from "../lib/results.ts";
import { element } from "./dom.ts";

export const METHOD_TEXTS: Record<
  MethodName,
  { label: string; colour: string; dash: string; width: number }
> = {
  sparse: { label: "Sparse alone", colour: "var(--sparse)", dash: "5 3", width: 1.75 },
  "low-rank": { label: "Low rank alone", colour: "var(--low-rank)", dash: "1.5 3", width: 2 },
  scatterbrain: { label: "Scatterbrain", colour: "var(--both)", dash: "none", width: 2.25 },
};

const ORDER: readonly MethodName[] = ["sparse", "low-rank", "scatterbrain"];

/** The three errors at the current temperature. They are the legend of the curve too. */
export function showErrors(root: HTMLElement, overBudget: HTMLElement, summary: Summary): void {
  const { errors, features, budgetFloats } = summary;
  const over = features > budgetFloats;
  overBudget.hidden = !over;
  overBudget.textContent = over
    ? `Not equal here: this feature map has ${formatCount(features)} features, the budget is ` +
      `${formatCount(budgetFloats)} floats.`
    : "";
  root.replaceChildren(
    ...ORDER.map((method) => {
      const { label } = METHOD_TEXTS[method];
      const value = element("dd", { "data-value": String(errors[method]) }, formatNumber(errors[method]));
      return element("div", { "data-method": method }, element("dt", {}, stroke(method), label), value);
    }),
  );
}

/** A piece of the method's line, as the curve draws it. */
function stroke(method: MethodName): SVGElement {
  const { colour, dash, width } = METHOD_TEXTS[method];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const attributes = { x1: "0", x2: "26", y1: "6", y2: "6", "stroke-width": String(width) };
  for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
  line.style.stroke = colour;
  if (dash !== "none") line.setAttribute("stroke-dasharray", dash);
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  return svg;
}

export function showFacts(root: HTMLElement, summary: Summary): void {
  const { tokens, entropy, supportPerRow, features, timing } = summary;
  const fact = (name: string, term: string, text: string, value: number | string) =>
    element(
      "div",
      { "data-fact": name },
      element("dt", {}, term),
      element("dd", { "data-value": String(value) }, text),
    );
  const time = (name: string, term: string, milliseconds: number | undefined) =>
    fact(name, term, milliseconds === undefined ? "…" : formatMilliseconds(milliseconds), milliseconds ?? "");
  root.replaceChildren(
    fact("tokens", "Queries = keys", formatCount(tokens), tokens),
    fact("entropy", "Entropy", `${formatNumber(entropy)} of ${formatNumber(Math.log(tokens))} nats`, entropy),
    fact("support", "Support, entries per query", formatNumber(supportPerRow), supportPerRow),
    fact("features", "Features per query", formatCount(features), features),
    time("time", "Time of Scatterbrain", timing?.milliseconds),
    time("exact-time", "Time of exact attention", timing?.exactMilliseconds),
    fact(
      "instruction-set",
      "Computed in",
      `${summary.backend}, ${summary.instructionSet}`,
      summary.instructionSet,
    ),
  );
}
