import type { State } from "../lib/state.ts";
import { budgetFigure } from "./budget/view.ts";
import { type Ask, FigurePanel } from "./panel.ts";

/** All figures, in their order on the page. An address that ends with "#figure-budget" opens that one. */
export class Figures {
  readonly #panels: { root: HTMLDetailsElement; setState(state: State): void }[];

  constructor(root: HTMLElement, state: State, ask: Ask) {
    this.#panels = [new FigurePanel(budgetFigure, state, ask)];
    root.append(...this.#panels.map((panel) => panel.root));
    const open = () => {
      const named = this.#panels.find((panel) => `#${panel.root.id}` === location.hash);
      if (!named) return;
      named.root.open = true;
      named.root.scrollIntoView();
    };
    addEventListener("hashchange", open);
    open();
  }

  setState(state: State): void {
    for (const panel of this.#panels) panel.setState(state);
  }
}
