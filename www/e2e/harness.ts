import { readFileSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { load } from "scatterbrain-attention";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import { clusterHead } from "../src/lib/clusters.ts";
import { type Head, headFromSafetensors } from "../src/lib/head.ts";
import { presetById } from "../src/lib/presets.ts";
import { commonOptions } from "../src/lib/request.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import { encodeState } from "../src/lib/url-state.ts";
import { curvePoint } from "../src/worker/analyse.ts";

/** How every test of the project starts Chromium. */
const { binary, args } = JSON.parse(readFileSync(new URL("../../webdriver.json", import.meta.url), "utf8"))[
  "goog:chromeOptions"
] as { binary: string; args: string[] };

let browser: Browser;
const opened: { page: Page; faults: string[] }[] = [];

/** A GPU that runs on the processor, for machines without one. */
export const SOFTWARE_GPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** Every test file has a browser of its own, and every page in it must be free of faults when its test ends. */
export function useBrowser(extraArgs: readonly string[] = []): void {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: binary, args: [...args, ...extraArgs] });
  });
  afterEach(async () => {
    const faults = opened.flatMap((one) => one.faults);
    await Promise.all(opened.splice(0).map(({ page }) => page.context().close()));
    expect(faults).toEqual([]);
  });
  afterAll(() => browser.close());
}

export interface OpenOptions extends BrowserContextOptions {
  /** What the address holds; without a word of one's own, it is the default state, explored freely. */
  search?: string;
  address?: string;
  /** Before anything is loaded. */
  prepare?: (page: Page) => Promise<unknown>;
  /** Failures that the test provokes: console messages that match are no faults. */
  expected?: RegExp;
}

/** Opens the page and watches it: console errors, exceptions, policy violations and foreign requests are faults. */
export async function open({ search = "?v=1", address, prepare, expected, ...options }: OpenOptions = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    // Requests that a service worker answers are hidden from `page.route`.
    serviceWorkers: "block",
    ...options,
  });
  const page = await context.newPage();
  const faults: string[] = [];
  opened.push({ page, faults });
  const base = address ?? inject("page");
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (message.text() === "Service Worker registration blocked by Playwright") return;
    if (!expected?.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => {
    if (!expected?.test(error.message)) faults.push(`exception: ${error.message}`);
  });
  page.on("request", (request) => {
    // What the page makes itself has an address too, "blob:" before its own.
    if (
      !request
        .url()
        .replace(/^blob:/, "")
        .startsWith(base)
    )
      faults.push(`foreign request: ${request.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  await prepare?.(page);
  await page.goto(base + search);
  return page;
}

/** A frame that takes longer than so many milliseconds is a freeze, to the eye. */
const FREEZE_MS = 400;

/**
 * From now on, the share of the time that the page spends in freezes. Not the longest frame: on a loaded machine the system holds
 * up any process now and then, while a page that computes for itself is held up all the time.
 */
export async function watchFrames(page: Page): Promise<{ frozen(): Promise<number> }> {
  await page.evaluate(() => {
    const gaps: number[] = [];
    let last = performance.now();
    const frame = (now: number) => {
      gaps.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Object.assign(window, { gaps });
  });
  return {
    async frozen() {
      const gaps = await page.evaluate(() => (window as unknown as { gaps: number[] }).gaps);
      const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
      return sum(gaps.filter((gap) => gap > FREEZE_MS)) / sum(gaps);
    },
  };
}

export const stateSearch = (patch: Partial<State>): string => encodeState({ ...DEFAULTS, ...patch });

/** Until the maps and their numbers are those of the current settings. */
export async function settled(page: Page): Promise<void> {
  await page.waitForSelector('#maps[aria-busy="false"]', { timeout: 30_000 });
}

export async function curveDone(page: Page): Promise<void> {
  await page.waitForSelector('#curve[data-state="done"]', { timeout: 45_000 });
}

/** Any browser's page: all that reading numbers takes. */
interface Readable {
  evaluate<T>(read: () => T): Promise<T>;
}

/** The numbers that the page shows, in full. Those under the cursor come from the worker. */
export async function numbers(page: Readable) {
  const isThere = () =>
    page.evaluate(
      () => document.querySelector('#readout:not([aria-busy="true"]) [data-name="query"]') !== null,
    );
  await expect.poll(isThere).toBe(true);
  return numbersNow(page);
}

/** The same without waiting for what may not come. */
export async function numbersNow(page: Readable) {
  return page.evaluate(() => {
    const value = (selector: string) => {
      const text = document.querySelector<HTMLElement>(selector)?.dataset.value;
      return text === undefined ? null : Number(text);
    };
    return {
      query: value('#readout [data-name="query"]'),
      key: value('#readout [data-name="key"]'),
      exact: value(".map.exact .value"),
      lowRank: value(".map.low-rank-map .value"),
      sparse: value(".map.sparse-map .value"),
      error: value(".map.error-map .value"),
      approximation: value('#readout [data-name="approximation"]'),
      inSupport:
        document.querySelector<HTMLElement>('#readout [data-name="in the support"]')?.dataset.value ?? null,
      errors: Object.fromEntries(
        [...document.querySelectorAll<HTMLElement>("#errors [data-method]")].map((node) => [
          node.dataset.method,
          Number(node.querySelector("dd")?.dataset.value),
        ]),
      ),
      entropy: value('[data-fact="entropy"] dd'),
      supportPerRow: value('[data-fact="support"] dd'),
      features: value('[data-fact="features"] dd'),
    };
  });
}

/** The same numbers from the package itself, here in Node. */
export async function expectedNumbers(state: State, query: number, key: number, head = headOf(state)) {
  const sb = await load();
  try {
    const options = {
      ...commonOptions(state, head),
      method: "scatterbrain",
      temperature: state.temperature,
    } as const;
    const row = await sb.decompose({ ...options, rows: [query, query + 1] });
    const { stats } = await sb.attention(options);
    const { errors, entropy } = await curvePoint(sb, head, state, state.temperature);
    const [exact, approximation] = [row.exact[key] as number, row.approximation[key] as number];
    return {
      query,
      key,
      exact,
      lowRank: row.lowRank[key] as number,
      sparse: row.sparse[key] as number,
      error: approximation - exact,
      approximation,
      inSupport: String(row.support[key] === 1),
      errors,
      entropy,
      supportPerRow: stats.supportEntries / head.tokens,
      features: stats.features,
    };
  } finally {
    sb.dispose();
  }
}

export function headOf(state: State): Head {
  const { file } = presetById(state.preset);
  if (!file) return clusterHead(state.clusters);
  const path = new URL(`../../data/heads/${file}`, import.meta.url);
  return headFromSafetensors(new Uint8Array(readFileSync(path)).buffer);
}

/** How many different colours each map shows, and a number that stands for its pixels. */
export async function pixels(page: Page): Promise<{ colours: number; hash: number }[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLCanvasElement>(".plate canvas")].map((canvas) => {
      const { width, height } = canvas;
      // A copy, because the page's own canvas is not made for reading.
      const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      context?.drawImage(canvas, 0, 0);
      const image = context?.getImageData(0, 0, width, height);
      const data = new Uint32Array(image?.data.buffer ?? new ArrayBuffer(0));
      let hash = 0;
      for (const pixel of data) hash = (Math.imul(hash, 31) + pixel) | 0;
      return { colours: new Set(data).size, hash };
    }),
  );
}

/**
 * Equal to one part in 100,000: browsers have relaxed SIMD, which fuses multiplications with additions, and the Node of these
 * tests may not, so single roundings differ.
 */
export function expectClose(found: unknown, expected: unknown): void {
  const flat = (value: unknown, path = ""): [string, unknown][] =>
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => flat(inner, `${path}.${key}`))
      : [[path, value]];
  const got = new Map(flat(found));
  for (const [path, value] of flat(expected)) {
    const other = got.get(path);
    if (typeof value !== "number") expect([path, other]).toEqual([path, value]);
    else if (Math.abs((other as number) - value) > 1e-5 * Math.abs(value) + 1e-12) {
      expect([path, other]).toEqual([path, value]);
    }
  }
}
