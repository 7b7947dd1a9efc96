import { formatCount, formatNumber } from "../lib/format.ts";
import { METHODS } from "../lib/request.ts";
import type { Summary } from "../lib/results.ts";
import { STORY, type State, type StoryStep } from "../lib/state.ts";
import { type Movable, neighbour, STEPS, stateOf } from "../lib/story.ts";
import { encodeState } from "../lib/url-state.ts";
import { byId, element } from "./dom.ts";
import { METHOD_TEXTS } from "./summary.ts";

export interface StoryEvents {
  /** To a step of the story, or out of it. */
  onStep(step: StoryStep | null): void;
  onTry(patch: Partial<Movable>): void;
}

/** The story beside the figure: one step's text, what there is to try in it, and the numbers that it is about. */
export class Story {
  readonly #root = byId("story", HTMLElement);
  readonly #leave = byId("story-leave", HTMLAnchorElement);
  readonly #meter = byId("story-meter", HTMLElement);
  readonly #tries = byId("story-tries", HTMLElement);
  readonly #back = byId("story-back", HTMLButtonElement);
  readonly #next = byId("story-next", HTMLButtonElement);
  readonly #texts = this.#root.querySelectorAll<HTMLElement>("[data-step]");
  readonly #links: ReadonlyMap<StoryStep, HTMLAnchorElement>;
  readonly #events: StoryEvents;
  /** Undefined until something is shown. */
  #step: StoryStep | null | undefined;
  #summary: Summary | null = null;

  constructor(events: StoryEvents) {
    this.#events = events;
    const link = (step: StoryStep) => {
      const { title } = STEPS[step];
      const name = `Step ${STORY.indexOf(step) + 1}: ${title}`;
      const href = encodeState(stateOf(step));
      const node = element("a", { href, title, "aria-label": name }, String(STORY.indexOf(step) + 1));
      this.#follow(node, step);
      return node;
    };
    this.#links = new Map(STORY.map((step) => [step, link(step)]));
    const steps = byId("story-steps", HTMLElement);
    for (const node of this.#links.values()) steps.append(element("li", {}, node));
    steps.addEventListener("keydown", (event) => this.#press(event));
    this.#follow(this.#leave, null);
    this.#back.addEventListener("click", () => {
      const before = this.#step && neighbour(this.#step, -1);
      if (before) events.onStep(before);
    });
    this.#next.addEventListener("click", () => events.onStep(this.#step ? neighbour(this.#step, 1) : null));
    for (const text of this.#texts) {
      const step = STORY.find((one) => one === text.dataset.step);
      if (step) text.prepend(element("h3", {}, STEPS[step].title));
    }
  }

  show(state: State): void {
    this.#leave.href = encodeState({ ...state, step: null });
    if (state.step === this.#step) return;
    const moved = this.#step !== undefined;
    const focused = this.#root.contains(document.activeElement) ? document.activeElement : null;
    this.#step = state.step;
    document.documentElement.classList.toggle("telling", state.step !== null);
    document.documentElement.classList.toggle("summing", state.step === "sum");
    for (const [step, link] of this.#links) mark(link, step === state.step ? "step" : null);
    mark(this.#leave, state.step === null ? "true" : null);
    if (state.step) this.#tell(state.step);
    this.#showMeter();
    if (!moved) return;
    // What had the focus may be gone.
    if (focused?.getClientRects().length === 0) (state.step ? this.#next : this.#leave).focus();
    this.#announce();
    if (this.#root.getBoundingClientRect().top < 0) this.#root.scrollIntoView();
  }

  showSummary(summary: Summary): void {
    this.#summary = summary;
    this.#showMeter();
  }

  #tell(step: StoryStep): void {
    for (const text of this.#texts) text.hidden = text.dataset.step !== step;
    this.#tries.replaceChildren(
      ...STEPS[step].tries.map(({ label, patch }) => {
        const button = element("button", { type: "button" }, label);
        button.addEventListener("click", () => this.#events.onTry(patch));
        return button;
      }),
    );
    // Not "disabled", which would take the focus away from under a finger or key.
    this.#back.setAttribute("aria-disabled", String(neighbour(step, -1) === null));
    this.#next.textContent = neighbour(step, 1) ? "Next" : "Explore freely";
  }

  #showMeter(): void {
    const kind = this.#step ? STEPS[this.#step].meter : null;
    this.#meter.hidden = kind === null || this.#summary === null;
    if (!this.#summary) return;
    this.#meter.replaceChildren(
      ...(kind === "entropy" ? keysLookedAt(this.#summary) : errors(this.#summary)),
    );
  }

  #announce(): void {
    byId("story-live", HTMLElement).textContent = this.#step
      ? `Step ${STORY.indexOf(this.#step) + 1} of ${STORY.length}: ${STEPS[this.#step].title}.`
      : "Exploring freely: all controls are there.";
  }

  #press(event: KeyboardEvent): void {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] as -1 | 1 | undefined;
    const target = by && (this.#step ? neighbour(this.#step, by) : null);
    if (!target) return;
    event.preventDefault();
    this.#events.onStep(target);
    this.#links.get(target)?.focus();
  }

  /** Links that can be opened in a new tab, and else change this one. */
  #follow(link: HTMLAnchorElement, step: StoryStep | null): void {
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.#events.onStep(step);
    });
  }
}

function mark(link: HTMLAnchorElement, current: string | null): void {
  if (current === null) link.removeAttribute("aria-current");
  else link.setAttribute("aria-current", current);
}

function errors({ errors }: Summary): HTMLElement[] {
  return METHODS.map((method) => {
    const { label, colour } = METHOD_TEXTS[method];
    return bar(method, label, formatNumber(errors[method]), errors[method], colour);
  });
}

/** e to the entropy: so many keys, with equal weights, would have it. */
function keysLookedAt({ entropy, tokens }: Summary): HTMLElement[] {
  const keys = Math.exp(entropy);
  const text = `${keys < 10 ? keys.toFixed(1) : formatCount(keys)} of ${formatCount(tokens)}`;
  return [bar("keys", "Keys that a query spreads over", text, keys / tokens, "var(--ink)")];
}

/** `size`: 1 fills the bar. */
function bar(name: string, label: string, text: string, size: number, colour: string): HTMLElement {
  const line = element("span", { class: "bar", "aria-hidden": "true" });
  line.style.setProperty("--size", String(Math.min(1, size)));
  line.style.setProperty("--colour", colour);
  return element(
    "div",
    { "data-name": name },
    element("dt", {}, label),
    element("dd", { "data-value": String(size) }, text, line),
  );
}
