import { type Backend, type BackendReport, backendSentence } from "../lib/backend.ts";
import { formatPercent } from "../lib/format.ts";

/** What became of the choice of a back end. */
export class BackendNote {
  readonly #root: HTMLElement;

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  /** Without a report it is still being made, if the GPU was asked for. */
  show(asked: Backend, report: BackendReport | null, fraction: number): void {
    this.#root.dataset.ran = report?.ran ?? "";
    this.#root.dataset.difference = String(report?.difference ?? "");
    if (asked === "wasm") {
      this.#root.textContent =
        "Maps and numbers are always WebAssembly’s. WebGPU runs the estimator besides, to compare.";
    } else if (report) {
      this.#root.textContent = backendSentence(report);
    } else {
      const share = fraction > 0 ? `, ${formatPercent(Math.round(fraction * 100) / 100)}` : "";
      this.#root.textContent = `Running the estimator on the GPU${share}…`;
    }
  }

  complain(message: string): void {
    this.#root.textContent = `The comparison failed: ${message}`;
  }
}
