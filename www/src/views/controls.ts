import { BACKENDS } from "../lib/backend.ts";
import { budgetFloats } from "../lib/budget.ts";
import {
  FEATURES_LABELS,
  FEATURES_NOTES,
  featuresReason,
  SUPPORT_LABELS,
  SUPPORT_NOTES,
  supportReason,
} from "../lib/combinations.ts";
import { formatCount, formatPercent } from "../lib/format.ts";
import { OWN_ID, ownNote } from "../lib/own.ts";
import { CLUSTERS_ID, PRESETS, presetById } from "../lib/presets.ts";
import {
  FEATURES,
  type FeaturesKind,
  isCausal,
  ownHead,
  RANGES,
  type Replacement,
  SPANS,
  type State,
  SUPPORTS,
  type SupportKind,
  TRANSFORMS,
} from "../lib/state.ts";
import type { Step } from "../lib/store.ts";
import { byId, element } from "./dom.ts";
import { NumberField } from "./number-field.ts";

export interface ControlsEvents {
  onChange(patch: Partial<State>, step: Step): void;
}

/** Seeds that the buttons draw: short enough to read out. */
const SEEDS = 1_000_000;

/** Everything beside the temperature: head, clusters, method and colour scales. */
export class Controls {
  readonly #preset = byId("preset", HTMLSelectElement);
  readonly #ownOption = element("option", { value: OWN_ID });
  readonly #budget = byId("budget", HTMLInputElement);
  readonly #split = byId("split", HTMLInputElement);
  readonly #support = byId("support", HTMLSelectElement);
  readonly #features = byId("features", HTMLSelectElement);
  readonly #clusterFields = byId("cluster-fields", HTMLFieldSetElement);
  readonly #fields: NumberField[];
  #state: State;

  constructor(state: State, events: ControlsEvents) {
    this.#state = state;
    const change = (patch: Partial<State>) => events.onChange(patch, "push");
    const clusters = (patch: Partial<State["clusters"]>) =>
      change({ clusters: { ...this.#state.clusters, ...patch } });
    this.#fields = [
      new NumberField(
        "seed",
        RANGES.seed,
        (s) => s.seed,
        (seed) => change({ seed }),
      ),
      new NumberField(
        "tokens",
        RANGES.tokens,
        (s) => s.clusters.tokens,
        (tokens) => clusters({ tokens }),
      ),
      new NumberField(
        "cluster-count",
        RANGES.clusters,
        (s) => s.clusters.clusters,
        (count) => clusters({ clusters: count }),
      ),
      new NumberField(
        "spread",
        RANGES.spread,
        (s) => s.clusters.spread,
        (spread) => clusters({ spread }),
      ),
      new NumberField(
        "dim",
        RANGES.dim,
        (s) => s.clusters.dim,
        (dim) => clusters({ dim }),
      ),
      new NumberField(
        "data-seed",
        RANGES.dataSeed,
        (s) => s.clusters.seed,
        (seed) => clusters({ seed }),
      ),
    ];
    byId("new-seed", HTMLButtonElement).addEventListener("click", () => change({ seed: randomSeed() }));
    byId("new-sample", HTMLButtonElement).addEventListener("click", () => clusters({ seed: randomSeed() }));

    this.#fillPresets();
    this.#preset.addEventListener("change", () =>
      change({ preset: this.#preset.value, cell: null, view: null }),
    );
    this.#support.addEventListener("change", () => change({ support: this.#support.value as SupportKind }));
    this.#features.addEventListener("change", () =>
      change({ features: this.#features.value as FeaturesKind }),
    );
    this.#listenToSliders(events);
    radios("backend", BACKENDS, (backend) => change({ backend }));
    radios("transform", TRANSFORMS, (transform) => change({ transform }));
    radios("span", SPANS, (span) => change({ span }));
    // Enter in a field would send the form, and so reload the page.
    byId("controls", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
    this.#foldWhenNarrow();
  }

  show(state: State, tokens: number, replacements: Replacement[]): void {
    this.#state = state;
    const causal = isCausal(state);
    const own = ownHead(state);
    this.#showOwnOption(state.own);
    this.#preset.value = state.preset;
    byId("preset-note", HTMLElement).textContent = own ? ownNote(own) : presetById(state.preset).note;
    this.#clusterFields.hidden = state.preset !== CLUSTERS_ID;
    for (const field of this.#fields) field.show(state);
    this.#showBudget(state, tokens);
    const kinds = { support: this.#support, features: this.#features } as const;
    fillOptions(
      kinds.support,
      SUPPORTS,
      SUPPORT_LABELS,
      (kind) => supportReason(kind, causal),
      state.support,
    );
    fillOptions(
      kinds.features,
      FEATURES,
      FEATURES_LABELS,
      (kind) => featuresReason(kind, causal, state.support),
      state.features,
    );
    showNote("support", SUPPORT_NOTES[state.support], SUPPORT_LABELS, replacements);
    showNote("features", FEATURES_NOTES[state.features], FEATURES_LABELS, replacements);
    check("backend", state.backend);
    check("transform", state.transform);
    check("span", state.span);
    byId("method-summary", HTMLElement).textContent =
      `${SUPPORT_LABELS[state.support]} + ${FEATURES_LABELS[state.features]}, ${formatPercent(state.budget)}`;
  }

  #showBudget({ budget, split, support, features }: State, tokens: number): void {
    const floats = budgetFloats(budget, tokens);
    this.#budget.value = String(Math.log2(budget));
    this.#budget.setAttribute("aria-valuetext", `${formatPercent(budget)} of the keys`);
    byId("budget-value", HTMLOutputElement).textContent = `${formatPercent(budget)} of the keys`;
    byId("budget-note", HTMLElement).textContent =
      `${formatCount(floats)} of ${formatCount(tokens)} floats kept for each query.`;
    this.#split.value = String(split);
    this.#split.style.setProperty(
      "--share",
      String((split - RANGES.split.min) / (RANGES.split.max - RANGES.split.min)),
    );
    this.#split.setAttribute("aria-valuetext", `${formatPercent(split)} for the support`);
    byId("split-value", HTMLOutputElement).textContent = `${formatPercent(split)} sparse`;
    const adaptive = support === "clusters" && features === "landmarks";
    this.#split.disabled = adaptive;
    byId("split-note", HTMLElement).textContent = adaptive
      ? "Clusters with landmarks share the budget out query by query."
      : "How Scatterbrain shares the budget out; each part alone gets all of it.";
  }

  #listenToSliders({ onChange }: ControlsEvents): void {
    const { budget, split } = RANGES;
    setRange(this.#budget, Math.log2(budget.min), Math.log2(budget.max), "any");
    setRange(this.#split, split.min, split.max, "0.05");
    const slider = (input: HTMLInputElement, patch: () => Partial<State>) => {
      input.addEventListener("input", () => onChange(patch(), "replace"));
    };
    slider(this.#budget, () => ({ budget: snapBudget(2 ** Number(this.#budget.value)) }));
    slider(this.#split, () => ({ split: Number(this.#split.value) }));
  }

  #fillPresets(): void {
    const groups = new Map<string, HTMLOptGroupElement>();
    for (const { id, label, group } of PRESETS) {
      let node = groups.get(group);
      if (!node) {
        node = element("optgroup", { label: group });
        groups.set(group, node);
        this.#preset.append(node);
      }
      node.append(element("option", { value: id }, label));
    }
  }

  #showOwnOption(own: State["own"]): void {
    if (!own) return;
    this.#ownOption.textContent = `Your file: ${own.name}`;
    if (!this.#ownOption.isConnected) {
      this.#preset.prepend(element("optgroup", { label: "Yours" }, this.#ownOption));
    }
  }

  /** Where the method has no column of its own, it is one line above the maps, to be opened. */
  #foldWhenNarrow(): void {
    const method = byId("method", HTMLDetailsElement);
    const wide = matchMedia("(min-width: 68rem)");
    const fold = () => {
      method.open = wide.matches;
    };
    fold();
    wide.addEventListener("change", fold);
  }
}

/** To the three digits that are shown; whole percents and their halves are easy to hit. */
function snapBudget(budget: number): number {
  const { min, max } = RANGES.budget;
  const step = budget < 0.1 ? 0.0025 : 0.005;
  return Number(Math.min(max, Math.max(min, Math.round(budget / step) * step)).toPrecision(3));
}

function randomSeed(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] as number) % SEEDS;
}

function setRange(input: HTMLInputElement, min: number, max: number, step: string): void {
  input.min = String(min);
  input.max = String(max);
  input.step = step;
}

function fillOptions<T extends string>(
  select: HTMLSelectElement,
  kinds: readonly T[],
  labels: Record<T, string>,
  reason: (kind: T) => string | null,
  chosen: T,
): void {
  select.replaceChildren(
    ...kinds.map((kind) => {
      const why = reason(kind);
      const option = element("option", { value: kind }, why ? `${labels[kind]}: ${why}` : labels[kind]);
      option.disabled = why !== null;
      return option;
    }),
  );
  select.value = chosen;
}

/** Says what the choice means, or why the page changed it. */
function showNote(
  what: Replacement["what"],
  standard: string,
  labels: Record<string, string>,
  replacements: Replacement[],
): void {
  const node = byId(`${what}-note`, HTMLElement);
  const replacement = replacements.find((one) => one.what === what);
  node.classList.toggle("replaced", replacement !== undefined);
  node.textContent = replacement
    ? `Instead of ${labels[replacement.from]}, which ${replacement.reason}.`
    : standard;
}

function radios<T extends string>(name: string, values: readonly T[], onChange: (value: T) => void): void {
  for (const input of byId(name, HTMLFieldSetElement).querySelectorAll("input")) {
    input.addEventListener("change", () => {
      const value = values.find((one) => one === input.value);
      if (value) onChange(value);
    });
  }
}

function check(name: string, value: string): void {
  for (const input of byId(name, HTMLFieldSetElement).querySelectorAll("input")) {
    input.checked = input.value === value;
  }
}
