import posterUrl from "virtual:poster";
import { Comparison } from "./comparison.ts";
import { Figures } from "./figures/section.ts";
import { bindHistory } from "./history.ts";
import { OWN_ID } from "./lib/own.ts";
import { decodePoster } from "./lib/poster.ts";
import { CLUSTERS_ID } from "./lib/presets.ts";
import type { Summary } from "./lib/results.ts";
import { valueAt } from "./lib/scale.ts";
import {
  curveKey,
  ownHead,
  pictureKey,
  type Replacement,
  reconcile,
  STORY,
  type State,
  type StoryStep,
  tokensOf,
} from "./lib/state.ts";
import { type Step, Store } from "./lib/store.ts";
import { stateOf, stayInStep } from "./lib/story.ts";
import { decodeState, encodeState, namesOwnHead } from "./lib/url-state.ts";
import { keepForOffline } from "./offline.ts";
import { Session } from "./session.ts";
import { BackendNote } from "./views/backend-note.ts";
import { CodeDialog } from "./views/code-dialog.ts";
import { Controls } from "./views/controls.ts";
import { bindCopyLink } from "./views/copy-link.ts";
import { Curve } from "./views/curve.ts";
import { byId } from "./views/dom.ts";
import { Explained } from "./views/explained.ts";
import { Glide } from "./views/glide.ts";
import { Maps } from "./views/maps.ts";
import { OwnHeadControls } from "./views/own-head.ts";
import { Readout } from "./views/readout.ts";
import { Status } from "./views/status.ts";
import { Story } from "./views/story.ts";
import { showErrors, showFacts } from "./views/summary.ts";
import { TemperatureControl } from "./views/temperature-control.ts";
import { ThemeSwitch } from "./views/theme.ts";
import { EngineClient, type EngineError } from "./worker/client.ts";

const store = new Store(decodeState(location.search));
/** So many points already show the shape of the curve. */
const FIRST_POINTS = 5;

/** What the last change had to replace; the controls say so. */
let replacements: Replacement[] = [];
let pinReplacements: Replacement[] = [];

function change(patch: Partial<State>, step: Step): void {
  const next = reconcile({ ...store.state, ...patch });
  replacements = next.replacements;
  pinReplacements = next.pinReplacements;
  store.set(stayInStep(next.state), step);
}

const mapsRoot = byId("maps", HTMLElement);

const readout = new Readout(byId("readout", HTMLElement), byId("live", HTMLElement));
const explained = new Explained(byId("explained", HTMLElement));
const maps = new Maps(mapsRoot, byId("aggregation", HTMLElement), {
  onEntry: (entry, resting, aloud) => {
    readout.show(entry, aloud, () => comparison.entry);
    if (resting) explained.show(entry);
  },
  onReading: (reading) => readout.setReading(reading),
  onPick: (cell) => change({ cell }, "replace"),
  onView: (view, step) => change({ view }, step),
  onError: (error) => complainOfPart(error),
  onDraw: (drawing) => comparison.setDrawing(drawing),
  onCell: (cell) => comparison.setCell(cell),
});
const status = new Status(mapsRoot, byId("alert", HTMLElement), () => {
  session.cancel();
  maps.cancel();
});
const curve = new Curve(byId("curve", HTMLElement), {
  onTemperature: (temperature) => change({ temperature }, "replace"),
  onCancel: () => session.cancelCurve(),
  onResume: () => session.resumeCurve(),
});
const controls = new Controls(store.state, { onChange: change });
const ownControls = new OwnHeadControls({
  onFiles: (files) => void takeFiles(files),
  // The address knows nothing of it, so it is no step to go back to.
  onChange: (own) => change({ own }, "replace"),
});
const temperature = new TemperatureControl({
  onTemperature: (value, step) => change({ temperature: value }, step),
});
const glide = new Glide({
  temperature: () => store.state.temperature,
  onTemperature: (temperature) => change({ temperature }, "replace"),
});
const story = new Story({
  onStep: tell,
  onTry: ({ temperature, ...patch }) => {
    if (temperature !== undefined) glide.to(temperature);
    else change(patch, "replace");
  },
});
const backendNote = new BackendNote(byId("backend-note", HTMLElement));
new CodeDialog(() => store.state);
bindCopyLink(() => ownHead(store.state) !== null);
const theme = new ThemeSwitch(() => showColours());

const client = new EngineClient(
  () => new Worker(new URL("./worker/engine.ts", import.meta.url), { type: "module", name: "engine" }),
);
const comparison = new Comparison(store.state, client, {
  cursor: maps.cursor,
  onChange: (state) => change(state, "push"),
});

const session = new Session(client, {
  look: () => maps.look,
  onPictureStart: () => {
    status.begin();
    comparison.hold();
    maps.setComputing(true);
  },
  onProgress: (stage, fraction) =>
    status.progress(stage === "loading" ? "Loading the head" : "Computing", fraction),
  onPicture: (picture, state, source) => {
    readout.setWaiting("The numbers are on their way.");
    maps.showPicture(picture, state, source);
  },
  onPart: (what, fraction) => status.aside(what, fraction),
  onPartEnd: () => status.end(),
  onSummary: showSummary,
  onPictureEnd: () => {
    status.end();
    comparison.release();
    maps.setComputing(false);
    keepForOffline(() => store.state.preset);
  },
  onBackend: (report, fraction) => backendNote.show(store.state.backend, report, fraction),
  onBackendError: ({ message }) => backendNote.complain(message),
  onCancelled: (drawn) => {
    const what = drawn
      ? "the errors and times are still those of the settings"
      : "the maps still show the settings";
    status.complain(`Cancelled: ${what} before.`, "Compute", () => session.retry());
  },
  onError: ({ message }) =>
    status.complain(`${message} The maps show what was computed last.`, "Try again", () => session.retry()),
  onCurveStale: (waiting) => curve.fade(waiting),
  onCurve: (points, total, running) => {
    // Fewer make no curve yet; the one before stays, faded, a moment longer.
    if (points.length >= FIRST_POINTS || !running) curve.show(points, store.state);
    curve.showProgress(points.length, total, running);
  },
});

const figures = new Figures(byId("figures", HTMLElement), store.state, (...request) =>
  session.figure(...request),
);

/** From step to step the temperature glides, so that the maps are seen changing; out of the story nothing moves. */
function tell(step: StoryStep | null): void {
  // Back is where the step before was going, not somewhere on the way.
  glide.finish();
  if (step === null) {
    change({ step }, "push");
    return;
  }
  const { step: before, temperature, own } = store.state;
  const next = { ...stateOf(step), own };
  change(before === null ? next : { ...next, temperature }, "push");
  glide.to(next.temperature);
}

/** Of the last files; those before it, if they are still being read, are not wanted any more. */
let drop = 0;

async function takeFiles(files: File[]): Promise<void> {
  const id = ++drop;
  const name = files.map((file) => file.name).join(", ");
  ownControls.showReading(name);
  try {
    const facts = await session.readOwn({ id, files });
    if (id === drop)
      change({ preset: OWN_ID, own: { ...facts, id, name, files, head: 0 }, cell: null }, "push");
  } catch (error) {
    if (id === drop) askForFile(`${(error as Error).message} The maps show what was there before.`);
  } finally {
    if (id === drop) ownControls.showReading(null);
  }
}

function complainOfPart(error: unknown): void {
  const { code, message } = error as EngineError;
  if (code === "Aborted") return;
  status.complain(`${message} The maps show what was computed last.`, "Try again", () => session.retry());
}

function askForFile(text: string): void {
  status.complain(text, "Choose a file", () => ownControls.pick());
}

function mentionLostFile(): void {
  askForFile(
    "The address is of a head from a file, and files stay in their tab: drop it once more to see it.",
  );
}

function showSummary(summary: Summary, state: State): void {
  showErrors(byId("errors", HTMLElement), byId("over-budget", HTMLElement), summary);
  showFacts(byId("facts", HTMLElement), summary);
  story.showSummary(summary);
  comparison.showSummary(summary, state);
}

function showColours(): void {
  maps.setColours(theme.theme, store.state.transform, store.state.span);
  figures.setTheme(theme.theme);
}

function show(state: State): void {
  maps.setView(state.view);
  maps.setCell(state.cell);
  // First, for the worker to compute while the rest is shown.
  session.update(state);
  story.show(state);
  controls.show(state, tokensOf(state), replacements);
  ownControls.show(state);
  temperature.show(state.temperature, logitsOf(state));
  curve.setTemperature(state.temperature);
  showColours();
  comparison.show(state, pinReplacements);
  figures.setState(state);
}

function logitsOf(state: State): string | null {
  if (ownHead(state)) return "scale · q·k / τ";
  return state.preset === CLUSTERS_ID ? "z·z′ / τ" : null;
}

/** The story's first picture was computed when the page was built: it is on the screen before WebAssembly is. */
async function showPoster(): Promise<void> {
  const { state } = store;
  const first = stateOf(STORY[0]);
  const response = await fetch(posterUrl);
  const poster = decodePoster(await response.arrayBuffer(), valueAt);
  if (store.state !== state) return;
  const same = pictureKey(state) === pictureKey(first);
  if (!same) readout.setWaiting("The maps show an example until yours are computed.");
  maps.showPoster(poster, !same);
  if (same) showSummary(poster.summary, first);
  if (curveKey(state) === curveKey(first)) curve.show(poster.curve, first);
}

store.subscribe((state, _previous, step) => {
  if (step === "none") {
    glide.stop();
    // What the browser's history brings back has been reconciled before.
    [replacements, pinReplacements] = [[], []];
  }
  show(state);
});
bindHistory(store);
addEventListener("popstate", () => {
  if (namesOwnHead(location.search) && !ownHead(store.state)) mentionLostFile();
});
const lostFile = namesOwnHead(location.search);
// One form of the address: what was out of range or unknown is gone from it.
if (location.search !== "" && location.search !== encodeState(store.state)) {
  history.replaceState(null, "", `${location.pathname}${encodeState(store.state)}${location.hash}`);
}
show(store.state);
if (lostFile) mentionLostFile();
// Without the poster the page only opens with empty maps for a moment.
showPoster().catch(() => {});
