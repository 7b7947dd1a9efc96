import type { Theme } from "../lib/colour.ts";
import type { State } from "../lib/state.ts";
import { budgetFigure } from "./budget/view.ts";
import { coverageFigure } from "./coverage/view.ts";
import { headsFigure } from "./heads/view.ts";
import { type Ask, FigurePanel } from "./panel.ts";
import { robustPcaFigure } from "./robust-pca/view.ts";
import { scalingFigure } from "./scaling/view.ts";
import { seedsFigure } from "./seeds/view.ts";
import { spectrumFigure } from "./spectrum/view.ts";

/** All figures, in their order on the page. An address that ends with "#figure-budget" opens that one. */
export class Figures {
  readonly #panels: {
    root: HTMLDetailsElement;
    setState(state: State): void;
    setTheme(theme: Theme): void;
  }[];

  constructor(root: HTMLElement, state: State, ask: Ask) {
    this.#panels = [
      new FigurePanel(headsFigure, state, ask),
      new FigurePanel(budgetFigure, state, ask),
      new FigurePanel(seedsFigure, state, ask),
      new FigurePanel(spectrumFigure, state, ask),
      new FigurePanel(coverageFigure, state, ask),
      new FigurePanel(robustPcaFigure, state, ask),
      new FigurePanel(scalingFigure, state, ask),
    ];
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

  setTheme(theme: Theme): void {
    for (const panel of this.#panels) panel.setTheme(theme);
  }
}
