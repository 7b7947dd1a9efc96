import { headUrl } from "./head-files.ts";
import { presetById } from "./lib/presets.ts";

let begun = false;

/**
 * Keeps the page for when there is no network; src/service-worker does it. Begins at the first call, which is to come with the
 * first picture: what is kept must not be in its way.
 */
export function keepForOffline(preset: () => string): void {
  if (begun || !import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  begun = true;
  const { serviceWorker } = navigator;
  if (!serviceWorker.controller) {
    // The head on the screen was fetched before anything was kept.
    const fetchAgain = () => {
      if (presetById(preset()).file) void fetch(headUrl(preset())).catch(() => {});
    };
    serviceWorker.addEventListener("controllerchange", fetchAgain, { once: true });
  }
  // Some browsers forbid it, in private windows for instance; the page then needs its network.
  serviceWorker.register("./service-worker.js").catch(() => {});
}
