import type { State } from "./lib/state.ts";
import type { Store } from "./lib/store.ts";
import { decodeState, encodeState } from "./lib/url-state.ts";

/** Browsers allow some hundred changes of the address in half a minute. */
const QUIET_MS = 250;

/** Keeps the page's address and the store equal, both ways. */
export function bindHistory(store: Store): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const address = (state: State) => `${location.pathname}${encodeState(state)}${location.hash}`;
  const replace = () => {
    clearTimeout(timer);
    timer = undefined;
    history.replaceState(null, "", address(store.state));
  };
  store.subscribe((state, previous, step) => {
    if (step === "push") {
      // Where a drag ended belongs to the step before.
      if (timer !== undefined) history.replaceState(null, "", address(previous));
      clearTimeout(timer);
      timer = undefined;
      history.pushState(null, "", address(state));
    } else if (step === "replace") {
      timer ??= setTimeout(replace, QUIET_MS);
    }
  });
  addEventListener("popstate", () => {
    clearTimeout(timer);
    timer = undefined;
    store.set(decodeState(location.search, store.state.own), "none");
  });
  // A reload in the middle of a drag restores the drag's end.
  addEventListener("pagehide", () => {
    if (timer !== undefined) replace();
  });
}
