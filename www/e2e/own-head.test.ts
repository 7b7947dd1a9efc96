import { readFileSync } from "node:fs";
import { zipSync } from "fflate";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { cutHead, readOwnHeads } from "../src/lib/own-file.ts";
import { DEFAULTS, reconcile } from "../src/lib/state.ts";
import { npy, safetensors, text } from "../test/own-files.ts";
import {
  curveDone,
  expectClose,
  expectedNumbers,
  numbers,
  open,
  pixels,
  settled,
  useBrowser,
} from "./harness.ts";

useBrowser();

type Files = Record<string, Uint8Array<ArrayBuffer>>;

const wave = (count: number, pace: number) => Array.from({ length: count }, (_, i) => Math.sin(pace * i * i));
const [tokens, dim] = [48, 8];
const q = wave(tokens * dim, 0.31);
const k = wave(tokens * dim, 0.17);
const v = wave(tokens * dim, 0.05);
const rows = (values: number[]) =>
  Array.from({ length: tokens }, (_, i) => values.slice(i * dim, (i + 1) * dim));
const csv = (values: number[]) => text(rows(values).join("\n"));
const singles = (values: number[]) => Float32Array.from(values);

/** Drops files on the page as a file manager would. */
async function drop(page: Page, files: Files, on = "footer"): Promise<void> {
  const plain = Object.entries(files).map(([name, bytes]) => ({
    name,
    base64: Buffer.from(bytes).toString("base64"),
  }));
  await page.evaluate(
    ({ plain, on }) => {
      const dataTransfer = new DataTransfer();
      for (const { name, base64 } of plain) {
        dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
      }
      for (const type of ["dragenter", "dragover", "drop"]) {
        document
          .querySelector(on)
          ?.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    { plain, on },
  );
}

/** Until the page shows the file, computed. */
async function shown(page: Page, name: string): Promise<void> {
  await page
    .locator("#preset option:checked", { hasText: `Your file: ${name}` })
    .waitFor({ state: "attached" });
  await settled(page);
}

/** What the page must show of these files. */
async function expected(
  page: Page,
  files: Files,
  patch: { head?: number; scale?: number; causal?: boolean } = {},
) {
  const heads = readOwnHeads(Object.entries(files).map(([name, bytes]) => ({ name, bytes })));
  const choice = { head: 0, scale: heads.facts.scale, causal: heads.facts.causal, ...patch };
  const own = { ...heads.facts, ...choice, id: 1, name: "", files: [] };
  const { state } = reconcile({ ...DEFAULTS, preset: "own", own });
  const { query, key } = await numbers(page);
  return expectedNumbers(state, query as number, key as number, cutHead(heads, choice));
}

describe("a dropped file", () => {
  const good: [string, Files][] = [
    ["one.npy", { "one.npy": npy(q, [tokens, dim], { type: ">f8" }) }],
    ["one.csv", { "one.csv": csv(q) }],
    [
      "head.npz",
      {
        "head.npz": new Uint8Array(
          zipSync({
            "q.npy": npy(q, [1, tokens, dim]),
            "k.npy": npy(k, [tokens, dim]),
            "v.npy": npy(v, [tokens, dim]),
          }),
        ),
      },
    ],
    [
      "head.safetensors",
      {
        "head.safetensors": safetensors(
          { q: [[tokens, dim], singles(q)], k: [[tokens, dim], singles(k)] },
          { metadata: { scale: "0.7", causal: "true" } },
        ),
      },
    ],
    [
      "head.json",
      { "head.json": text(JSON.stringify({ q: rows(q), k: rows(k), v: rows(v), causal: true })) },
    ],
    ["q.csv, k.csv, v.csv", { "q.csv": csv(q), "k.csv": csv(k), "v.csv": csv(v) }],
  ];

  it.each(good)("is taken apart: %s", async (name, files) => {
    const page = await open();
    await settled(page);
    await drop(page, files);
    await shown(page, name);
    expectClose(await numbers(page), await expected(page, files));
    for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(5);
    expect(await page.locator("#alert").isVisible()).toBe(false);
    expect(await page.locator("html.dropping").count()).toBe(0);
    expect(new URL(page.url()).searchParams.get("head")).toBe("own");
    expect(await page.textContent("#preset-note")).toMatch(/^48 tokens, d = 8\./);
    // The curve before may be done, too.
    await curveDone(page);
    await expect.poll(() => page.locator(".curve-table tbody tr").count()).toBe(33);
  });

  it("that is one of the page's own heads has that head's numbers", async () => {
    const name = "dinov2-astronaut-1025-l11h4.safetensors";
    const page = await open();
    await settled(page);
    const before = await numbers(page);
    const bytes = new Uint8Array(readFileSync(new URL(`../../data/heads/${name}`, import.meta.url)));
    await drop(page, { [name]: bytes });
    await shown(page, name);
    expect(await numbers(page)).toEqual(before);
  });

  it("with several heads lets one be chosen, and scale and mask be set", async () => {
    const files = {
      "many.json": text(
        JSON.stringify({ q: [rows(q), rows(k), rows(v)], k: [rows(k), rows(v), rows(q)], scale: 0.5 }),
      ),
    };
    const page = await open();
    await settled(page);
    await drop(page, files);
    await shown(page, "many.json");
    expectClose(await numbers(page), await expected(page, files));
    expect(await page.textContent("#preset-note")).toBe(
      "3 heads of 48 tokens, d = 8. Without v, the keys serve as values.",
    );
    await page.fill("#own-index", "2");
    await page.keyboard.press("Enter");
    await settled(page);
    expectClose(await numbers(page), await expected(page, files, { head: 2 }));
    await page.fill("#own-scale", "1.25");
    await page.keyboard.press("Enter");
    await settled(page);
    expectClose(await numbers(page), await expected(page, files, { head: 2, scale: 1.25 }));
    await page.check("#own-causal");
    await settled(page);
    expect(await page.inputValue("#support")).toBe("window");
    expectClose(await numbers(page), await expected(page, files, { head: 2, scale: 1.25, causal: true }));

    // Other heads and back, by the select and by the history.
    const own = await numbers(page);
    await page.selectOption("#preset", "clusters");
    await settled(page);
    expect(await page.locator("#own-fields").isVisible()).toBe(false);
    await page.goBack();
    await settled(page);
    expect(await numbers(page)).toEqual(own);
    await page.selectOption("#preset", "clusters");
    await settled(page);
    await page.selectOption("#preset", "own");
    await settled(page);
    expect((await numbers(page)).entropy).toBe(own.entropy);
    // A number that no head has does not get out of the field.
    await page.fill("#own-index", "3");
    await page.keyboard.press("Enter");
    await page.waitForTimeout(200);
    expect((await numbers(page)).entropy).toBe(own.entropy);
  });

  it("of two tokens works too", async () => {
    const page = await open();
    await settled(page);
    await drop(page, { "tiny.csv": text("1,2\n3,4") });
    await shown(page, "tiny.csv");
    await curveDone(page);
    expect(await page.textContent("#errors")).not.toMatch(/NaN|∞/);
  });
});

describe("the button", () => {
  it("opens the chooser from the keyboard, and takes the same file again", async () => {
    const page = await open();
    await settled(page);
    await page.locator("#preset").focus();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("own-pick");
    for (const values of [q, k]) {
      const chooser = page.waitForEvent("filechooser");
      await page.locator("#own-pick").focus();
      await page.keyboard.press("Enter");
      await (await chooser).setFiles({
        name: "mine.csv",
        mimeType: "text/csv",
        buffer: Buffer.from(csv(values)),
      });
      await shown(page, "mine.csv");
      await expect
        .poll(async () => (await numbers(page)).entropy)
        .toBeCloseTo((await expected(page, { "mine.csv": csv(values) })).entropy, 5);
    }
  });
});

describe("a bad file", () => {
  const bad: [RegExp, Files][] = [
    [/“model.pt” is none of .npy, .npz, .safetensors, .csv, .json\./, { "model.pt": text("x") }],
    [/“q.npy” is empty/, { "q.npy": text("") }],
    [/“a.npy” cannot be used. npy: this is no file of NumPy/, { "a.npy": text("hello") }],
    [/needs 1536 bytes of data, the file has 1526/, { "a.npy": npy(q, [tokens, dim]).slice(0, -10) }],
    [/npz: the archive cannot be unpacked/, { "a.npz": text("PK but not much else") }],
    [/safetensors: a header of .* bytes in a file of 16/, { "a.safetensors": new Uint8Array(16).fill(255) }],
    [/there is no q and no k/, { "a.safetensors": safetensors({ x: [[2, 1], singles([1, 2])] }) }],
    [/line 2, column 1: “x” is not a number/, { "a.csv": text("1,2\nx,3") }],
    [/q\[1, 0\] is not a number/, { "a.csv": text("1,2\nnan,3") }],
    [/json: this is not JSON/, { "a.json": text("{") }],
    [/as many keys as queries/, { "q.csv": csv(q), "k.csv": text("1,2,3,4,5,6,7,8") }],
    [/there are 4098 tokens, and the maps show 4097/, { "a.csv": text("1\n".repeat(4098)) }],
    [/Several files must be one matrix each/, { "a.csv": csv(q), "b.csv": csv(k) }],
  ];

  it("is explained, and the last picture stays", async () => {
    const page = await open();
    await settled(page);
    await curveDone(page);
    const [before, address] = [await numbers(page), page.url()];
    const explained = async (message: RegExp) => {
      await page.locator("#alert", { hasText: message }).waitFor();
      expect(await page.textContent("#alert")).toMatch(/The maps show what was there before\./);
    };
    for (const [message, files] of bad) {
      await drop(page, files);
      await explained(message);
    }
    await dropZeros(page, 64 * 2 ** 20 + 1);
    await explained(/“a.csv” has 65 MB, and the page takes 64/);
    await dropZeros(page, null);
    await explained(/There was no file/);
    expect(await numbers(page)).toEqual(before);
    for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(20);
    expect(page.url()).toBe(address);
    // The alert leads to the chooser, and a good file ends it.
    const chooser = page.waitForEvent("filechooser");
    await page.click("#alert button");
    await (await chooser).setFiles({ name: "good.csv", mimeType: "text/csv", buffer: Buffer.from(csv(q)) });
    await shown(page, "good.csv");
    expect(await page.locator("#alert").isVisible()).toBe(false);
  });

  it("named like markup stays text", async () => {
    const page = await open();
    await settled(page);
    await drop(page, { "<img src=x onerror=alert(1)>.csv": text("1,2\n3,4") });
    await shown(page, "<img src=x onerror=alert(1)>.csv");
    expect(await page.locator("img").count()).toBe(0);
  });

  /** Drops so many zeros, or something that is no file after all. */
  async function dropZeros(page: Page, bytes: number | null): Promise<void> {
    await page.evaluate((bytes) => {
      const dataTransfer = new DataTransfer();
      if (bytes === null) Object.defineProperty(dataTransfer, "types", { value: ["Files"] });
      else dataTransfer.items.add(new File([new Uint8Array(bytes)], "a.csv"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }, bytes);
  }
});

describe("the address of an own head", () => {
  it("asks for the file when it is opened anew, and shows the default", async () => {
    const page = await open({ search: "?v=1&head=own&t=0.5" });
    await page.locator("#alert", { hasText: /drop it once more/ }).waitFor();
    await settled(page);
    expect(await page.locator("#alert").isVisible()).toBe(true);
    expect(await page.inputValue("#preset")).toBe(DEFAULTS.preset);
    expect(new URL(page.url()).search).toBe("?v=1&t=0.5");
    await drop(page, { "one.csv": csv(q) });
    await shown(page, "one.csv");
    expect(await page.locator("#alert").isVisible()).toBe(false);
    await page.reload();
    await page.locator("#alert", { hasText: /drop it once more/ }).waitFor();
  });

  it("does the same after a step back into it", async () => {
    const page = await open();
    await settled(page);
    await drop(page, { "one.csv": csv(q) });
    await shown(page, "one.csv");
    await page.selectOption("#preset", "clusters");
    await settled(page);
    await page.reload();
    await settled(page);
    await page.goBack();
    await page.locator("#alert", { hasText: /drop it once more/ }).waitFor();
  });
});
