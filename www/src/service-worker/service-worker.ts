/**
 * Keeps the page at hand for when there is no network.
 *
 * The page itself comes from the network whenever that answers, so a new version is there at the next load. Everything else comes
 * from the cache, and has a hash in its name: whichever page is shown, the files that it asks for are its own. (The icon and the
 * script that sets the theme have none: they may be those of the load before.) There is one cache for each version of this file.
 * It is filled before that version becomes active, and then the caches of the versions before are removed.
 */

const worker = self as unknown as ServiceWorkerGlobalScope;

/** Files by their path from here, with the hash of what is in them. */
type Files = Record<string, `sha256-${string}`>;
/** scripts/service-worker.ts writes it in front of the built file. `core` is kept at once, `onUse` when it is first asked for. */
declare const BUILD: { version: string; core: Files; onUse: Files };

/** A network that says nothing for so long counts as none. */
const PATIENCE_MS = 4_000;

// Caches belong to the whole origin, where other pages may live, and other copies of this one.
const { scope } = worker.registration;
const mine = `scatterbrain ${scope} `;
const current = mine + BUILD.version;
const addresses = (files: Files) =>
  new Map(Object.entries(files).map(([path, hash]) => [new URL(path, scope).href, hash]));
const core = addresses(BUILD.core);
const onUse = addresses(BUILD.onUse);

worker.addEventListener("install", (event) => {
  worker.skipWaiting();
  event.waitUntil(fill());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(takeOver());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = request.url.replace(/[?#].*/, "").replace(/\/index\.html$/, "/");
  if (request.method !== "GET") return;
  if (url === scope) event.respondWith(fromNetwork(request));
  else if (core.has(url) || onUse.has(url)) event.respondWith(fromCache(event, url));
});

/** All or nothing: one file that cannot be had, or is not the expected one, and the version before stays. */
async function fill(): Promise<void> {
  const cache = await caches.open(current);
  for (const url of onUse.keys()) {
    const kept = await caches.match(url);
    if (kept) await cache.put(url, kept);
  }
  await Promise.all(
    [...core].map(async ([url, integrity]) => {
      const kept = isHashed(url) ? await caches.match(url) : undefined;
      const response =
        kept ?? (await fetch(url, { integrity, cache: isHashed(url) ? "default" : "no-cache" }));
      if (!response.ok || response.redirected) throw new Error(`${url}: ${response.status}`);
      await cache.put(url, response);
    }),
  );
}

async function takeOver(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(mine) && name !== current);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

async function fromNetwork(request: Request): Promise<Response> {
  const network = fetch(request);
  const patience = new Promise<null>((resolve) => setTimeout(resolve, PATIENCE_MS, null));
  const response = await Promise.race([network, patience]).catch(() => null);
  return response ?? (await caches.match(scope, { cacheName: current })) ?? network;
}

async function fromCache(event: FetchEvent, url: string): Promise<Response> {
  const kept = await caches.match(url, { cacheName: current });
  if (kept) return kept;
  const response = await fetch(event.request);
  // Without room for it the page still has its file.
  if (response.status === 200) event.waitUntil(keep(url, response.clone()).catch(() => {}));
  return response;
}

/** Only what is in the build: not a sign-in page that a hotel's network puts in its place. */
async function keep(url: string, response: Response): Promise<void> {
  const copy = response.clone();
  const digest = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  const hash = `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
  if (hash !== (core.get(url) ?? onUse.get(url))) return;
  const cache = await caches.open(current);
  await cache.put(url, copy);
}

/** The build puts files with a hash in their names into one folder. */
function isHashed(url: string): boolean {
  return url.startsWith(`${scope}assets/`);
}
