import posterUrl from "virtual:poster";
import { bindHistory } from "./history.ts";
import { decodePoster } from "./lib/poster.ts";
import { presetById } from "./lib/presets.ts";
import type { Summary } from "./lib/results.ts";
import { valueAt } from "./lib/scale.ts";
import {
  curveKey,
  DEFAULTS,
  pictureKey,
  type Replacement,
  reconcile,
  type State,
  tokensOf,
} from "./lib/state.ts";
import { type Step, Store } from "./lib/store.ts";
import { decodeState, encodeState } from "./lib/url-state.ts";
import { Session } from "./session.ts";
import { BackendNote } from "./views/backend-note.ts";
import { Controls } from "./views/controls.ts";
import { Curve } from "./views/curve.ts";
import { byId } from "./views/dom.ts";
import { Explained } from "./views/explained.ts";
import { Maps } from "./views/maps.ts";
import { Readout } from "./views/readout.ts";
import { Status } from "./views/status.ts";
import { showErrors, showFacts } from "./views/summary.ts";
import { TemperatureControl } from "./views/temperature-control.ts";
import { ThemeSwitch } from "./views/theme.ts";

const store = new Store(decodeState(location.search));
/** So many points already show the shape of the curve. */
const FIRST_POINTS = 5;

/** What the last change had to replace; the controls say so. */
let replacements: Replacement[] = [];

function change(patch: Partial<State>, step: Step): void {
  const next = reconcile({ ...store.state, ...patch });
  replacements = next.replacements;
  store.set(next.state, step);
}

const mapsRoot = byId("maps", HTMLElement);

const readout = new Readout(byId("readout", HTMLElement), byId("live", HTMLElement));
const explained = new Explained(byId("explained", HTMLElement));
const maps = new Maps(mapsRoot, byId("aggregation", HTMLElement), {
  onEntry: (entry, byHand) => readout.show(entry, byHand),
  onExplanation: (explanation, asked) => {
    explained.show(explanation);
    if (explanation && asked) readout.speakExplanation(explanation);
  },
  onPick: (cell) => change({ cell }, "replace"),
  onView: (view, step) => change({ view }, step),
});
const status = new Status(mapsRoot, byId("alert", HTMLElement), () => session.cancelPicture());
const curve = new Curve(byId("curve", HTMLElement), {
  onTemperature: (temperature) => change({ temperature }, "replace"),
  onCancel: () => session.cancelCurve(),
  onResume: () => session.resumeCurve(),
});
const controls = new Controls(store.state, { onChange: change });
const temperature = new TemperatureControl({
  onTemperature: (value, step) => change({ temperature: value }, step),
});
const backendNote = new BackendNote(byId("backend-note", HTMLElement));
const theme = new ThemeSwitch(() => showColours());

const session = new Session({
  resolution: () => maps.resolution,
  onPictureStart: () => {
    status.begin();
    mapsRoot.setAttribute("aria-busy", "true");
  },
  onProgress: (stage, fraction) =>
    status.progress(stage === "loading" ? "Loading the head" : "Computing", fraction),
  onPicture: (picture, state) => maps.showPicture(picture, state),
  onSummary: showSummary,
  onPictureEnd: () => {
    status.end();
    mapsRoot.setAttribute("aria-busy", "false");
  },
  onBackend: (report, fraction) => backendNote.show(store.state.backend, report, fraction),
  onBackendError: ({ message }) => backendNote.complain(message),
  onCancelled: () =>
    status.complain("Cancelled: the maps still show the settings before.", "Compute", () => session.retry()),
  onError: ({ message }) =>
    status.complain(`${message} The maps show what was computed last.`, "Try again", () => session.retry()),
  onCurveStale: (waiting) => curve.fade(waiting),
  onCurve: (points, total, running) => {
    // Fewer make no curve yet; the one before stays, faded, a moment longer.
    if (points.length >= FIRST_POINTS || !running) curve.show(points, store.state);
    curve.showProgress(points.length, total, running);
  },
});

function showSummary(summary: Summary): void {
  showErrors(byId("errors", HTMLElement), byId("over-budget", HTMLElement), summary);
  showFacts(byId("facts", HTMLElement), summary);
}

function showColours(): void {
  maps.setColours(theme.theme, store.state.transform, store.state.span);
}

function show(state: State): void {
  controls.show(state, tokensOf(state), replacements);
  temperature.show(state.temperature, presetById(state.preset).file !== undefined);
  curve.setTemperature(state.temperature);
  maps.setView(state.view);
  maps.setCell(state.cell);
  showColours();
  session.update(state);
}

/** The default picture was computed when the page was built: it is on the screen before WebAssembly is. */
async function showPoster(): Promise<void> {
  const { state } = store;
  const response = await fetch(posterUrl);
  const poster = decodePoster(await response.arrayBuffer(), valueAt);
  if (store.state !== state) return;
  const same = pictureKey(state) === pictureKey(DEFAULTS);
  if (!same) readout.setWaiting("The maps show an example until yours are computed.");
  maps.showPoster(poster, !same);
  if (same) showSummary(poster.summary);
  if (curveKey(state) === curveKey(DEFAULTS)) curve.show(poster.curve, DEFAULTS);
}

store.subscribe(show);
bindHistory(store);
// One form of the address: what was out of range or unknown is gone from it.
if (location.search !== "" && location.search !== encodeState(store.state)) {
  history.replaceState(null, "", `${location.pathname}${encodeState(store.state)}${location.hash}`);
}
show(store.state);
// Without the poster the page only opens with empty maps for a moment.
showPoster().catch(() => {});
