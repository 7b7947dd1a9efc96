import { formatCount, formatNumber } from "../lib/format.ts";
import type { Entry } from "../lib/results.ts";
import { element } from "./dom.ts";
import type { Aloud } from "./maps.ts";

/** A screen reader should hear where the cursor came to rest, not every cell on the way. */
const REST_MS = 350;

/** The numbers under the cursor, beside those that stand above each map. */
export class Readout {
  readonly #root: HTMLElement;
  readonly #live: HTMLElement;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #spoken = "";
  #waiting = "The numbers come with the matrices.";

  constructor(root: HTMLElement, live: HTMLElement) {
    this.#root = root;
    this.#live = live;
  }

  /** What to say while there are no numbers. */
  setWaiting(text: string): void {
    this.#waiting = text;
  }

  setReading(reading: boolean): void {
    this.#root.setAttribute("aria-busy", String(reading));
  }

  /**
   * `aloud`: the reader moved the cursor by keys or click, and wants to hear where it is; or where the entry comes
   * from. `pinned` gives the entry of the settings that are compared with.
   */
  show(entry: Entry | null, aloud: Aloud, pinned: () => Entry | null): void {
    if (!entry) {
      this.#root.replaceChildren(element("span", { class: "term" }, this.#waiting));
      return;
    }
    const item = (term: string, text: string, value: number | string) =>
      element(
        "span",
        { "data-name": term, "data-value": String(value) },
        element("span", { class: "term" }, term),
        text,
      );
    const cells = [
      item("query", formatCount(entry.query), entry.query),
      item("key", formatCount(entry.key), entry.key),
    ];
    if (entry.masked) {
      cells.push(element("span", {}, "in the query’s future: no entry"));
    } else {
      cells.push(
        item("approximation", formatNumber(entry.approximation), entry.approximation),
        item("exact", formatNumber(entry.exact), entry.exact),
        item("in the support", entry.inSupport ? "yes" : "no", String(entry.inSupport)),
      );
    }
    this.#root.replaceChildren(
      ...cells,
      element("span", { class: "hint for-mouse" }, "Click a map: arrow keys move, + and − or the wheel zoom"),
      element("span", { class: "hint for-touch" }, "Tap a map to read an entry, pinch to zoom"),
    );
    if (aloud === "numbers" || (aloud && entry.masked)) this.#speak(sentence(entry), pinned);
    else if (aloud) this.#speak(explanationSentence(entry), pinned);
  }

  #speak(sentence: string, pinned: () => Entry | null): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const text = sentence + pinnedSentence(pinned());
      if (text === this.#spoken) return;
      this.#spoken = text;
      this.#live.textContent = text;
    }, REST_MS);
  }
}

function sentence(entry: Entry): string {
  const where = `Query ${entry.query}, key ${entry.key}`;
  return entry.masked ? `${where}: in the future, no entry.` : `${where}, ${weightsOf(entry)}`;
}

function pinnedSentence(entry: Entry | null): string {
  return entry && !entry.masked ? ` In B, the pinned settings, ${weightsOf(entry)}` : "";
}

function weightsOf({ exact, lowRank, sparse, approximation, error, inSupport }: Entry): string {
  return (
    `${inSupport ? "in" : "not in"} the support: exact ${formatNumber(exact)}, ` +
    `low rank ${formatNumber(lowRank)}, sparse ${formatNumber(sparse)}, ` +
    `approximation ${formatNumber(approximation)}, error ${formatNumber(error)}.`
  );
}

function explanationSentence({ query, key, dot, logit, inSupport, ...weights }: Entry): string {
  const { exact, lowRank, approximation, error } = weights;
  return (
    `Query ${query}, key ${key}: q times k is ${formatNumber(dot)}, the logit ${formatNumber(logit)}; ` +
    `exact weight ${formatNumber(exact)}, low-rank weight ${formatNumber(lowRank)}; the estimate has ` +
    `${formatNumber(approximation)}, ${inSupport ? "exact, from the support" : "from the low-rank part"}; ` +
    `error ${formatNumber(error)}.`
  );
}
