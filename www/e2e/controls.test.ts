import { describe, expect, inject, it } from "vitest";
import { DEFAULTS } from "../src/lib/state.ts";
import { decodeState, encodeState } from "../src/lib/url-state.ts";
import {
  expectedNumbers,
  numbers,
  open,
  pixels,
  settled,
  stateSearch,
  useBrowser,
  watchFrames,
} from "./harness.ts";

useBrowser();

const small = { ...DEFAULTS, preset: "clusters", clusters: { ...DEFAULTS.clusters, tokens: 128 } };

describe("temperature", () => {
  it("changes the picture and the numbers, from the slider and from the field", async () => {
    const page = await open({ search: stateSearch(small) });
    await settled(page);
    const [before, pictureBefore] = [await numbers(page), await pixels(page)];
    await page.locator("#temperature").focus();
    for (let i = 0; i < 30; i++) await page.keyboard.press("ArrowLeft");
    await settled(page);
    expect(await page.inputValue("#temperature-number")).toBe("0.501");
    const after = await numbers(page);
    expect(after.entropy).toBeLessThan(before.entropy as number);
    expect(after.errors).not.toEqual(before.errors);
    const { query, key } = after as { query: number; key: number };
    expect(after.exact).toBeCloseTo(
      (await expectedNumbers({ ...small, temperature: 0.501 }, query, key)).exact,
      7,
    );
    for (const [i, { hash }] of (await pixels(page)).entries()) expect(hash).not.toBe(pictureBefore[i]?.hash);

    await page.fill("#temperature-number", "25");
    await page.keyboard.press("Enter");
    await settled(page);
    expect(Number(await page.inputValue("#temperature"))).toBeCloseTo(Math.log10(25), 1);
    await page.fill("#temperature-number", "1000");
    await page.keyboard.press("Enter");
    expect(await page.textContent("#temperature-error")).toMatch(/“1000” is not a number from 0.01 to 100/);
    await page.click("#temperature-reset");
    await settled(page);
    expect(await page.inputValue("#temperature-number")).toBe("1");
    expect(await page.textContent("#temperature-error")).toBe("");
    expect((await numbers(page)).exact).toBe(before.exact);
    expect(await pixels(page)).toEqual(pictureBefore);
  });

  it("shows something at both ends of every head's range", async () => {
    const page = await open();
    for (const preset of ["dinov2-l03h4", "smollm2-l00h4", "clusters"])
      for (const temperature of [0.01, 100]) {
        await page.goto(inject("page") + stateSearch({ preset, temperature }));
        await settled(page);
        const [exact] = await pixels(page);
        expect(exact?.colours).toBeGreaterThan(3);
        expect(await page.textContent("#errors")).not.toMatch(/NaN|∞/);
      }
  });

  it("never freezes the page at 1,025 tokens, and ends at the last place of a drag", async () => {
    const page = await open();
    await settled(page);
    const frames = await watchFrames(page);
    const box = (await page.locator("#temperature").boundingBox()) as {
      x: number;
      y: number;
      width: number;
      height: number;
    };
    const middle = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width / 2, middle);
    await page.mouse.down();
    for (let i = 0; i <= 30; i++) {
      await page.mouse.move(box.x + box.width * (0.5 - i / 100), middle);
      await page.waitForTimeout(30);
    }
    await page.mouse.up();
    await settled(page);
    expect(await frames.frozen()).toBeLessThan(0.2);
    const temperature = Number(await page.inputValue("#temperature-number"));
    expect(temperature).toBeLessThan(0.2);
    const found = await numbers(page);
    const expected = await expectedNumbers(
      { ...DEFAULTS, temperature },
      found.query as number,
      found.key as number,
    );
    expect(found.exact).toBeCloseTo(expected.exact, 7);
    expect(found.errors.scatterbrain).toBeCloseTo(expected.errors.scatterbrain, 6);
  });
});

describe("the cell cursor", () => {
  it("moves by keys, on all four maps at once, and is spoken", async () => {
    const page = await open({ search: stateSearch({ ...small, cell: { query: 10, key: 20 } }) });
    await settled(page);
    const at = async () => {
      const { query, key } = await numbers(page);
      return [query, key];
    };
    expect(await at()).toEqual([10, 20]);
    await page.locator(".map.sparse-map .plate").focus();
    const steps: [string, number[]][] = [
      ["ArrowRight", [10, 21]],
      ["ArrowDown", [11, 21]],
      ["Shift+ArrowLeft", [11, 11]],
      ["PageDown", [19, 11]],
      ["PageUp", [11, 11]],
      ["End", [11, 127]],
      ["Home", [11, 0]],
      ["Control+End", [127, 127]],
      ["Control+Home", [0, 0]],
      ["ArrowUp", [0, 0]],
    ];
    for (const [key, cell] of steps) {
      await page.keyboard.press(key);
      expect([key, ...(await at())]).toEqual([key, ...cell]);
    }
    const expected = await expectedNumbers(small, 0, 0);
    const found = await numbers(page);
    expect(found.exact).toBeCloseTo(expected.exact, 7);
    expect(found.sparse).toBeCloseTo(expected.sparse, 7);
    await expect.poll(() => page.textContent("#live")).toMatch(/^Query 0, key 0, .*exact .*error/);
    const places = await page
      .locator(".cross")
      .evaluateAll((crosses) =>
        crosses.map((cross) => [...cross.children].map((line) => (line as HTMLElement).style.cssText).join()),
      );
    expect(new Set(places).size).toBe(1);
    await expect.poll(() => page.url()).toContain("cell=0-0");
  });

  it("follows the pointer and returns, and stays where it is clicked", async () => {
    const page = await open({ search: stateSearch({ ...small, cell: { query: 10, key: 20 } }) });
    await settled(page);
    const box = (await page.locator(".map.exact .plate").boundingBox()) as {
      x: number;
      y: number;
      width: number;
      height: number;
    };
    const to = (key: number, query: number) =>
      [box.x + ((key + 0.5) / 128) * box.width, box.y + ((query + 0.5) / 128) * box.height] as const;
    await page.mouse.move(...to(64, 32));
    expect(await numbers(page)).toMatchObject({ query: 32, key: 64 });
    await page.mouse.move(box.x - 30, box.y - 30);
    expect(await numbers(page)).toMatchObject({ query: 10, key: 20 });
    await page.mouse.click(...to(100, 99));
    await page.mouse.move(box.x - 30, box.y - 30);
    expect(await numbers(page)).toMatchObject({ query: 99, key: 100 });
    const found = await numbers(page);
    const sum = (found.lowRank as number) + (found.sparse as number);
    expect(found.approximation).toBeCloseTo(sum, 6);
    expect(found.error).toBeCloseTo(sum - (found.exact as number), 6);
  });
});

describe("the address", () => {
  it("restores everything on reload", async () => {
    const page = await open({ search: stateSearch(small) });
    await settled(page);
    await page.selectOption("#support", "top-k");
    await page.selectOption("#features", "taylor-1");
    await page.fill("#seed", "77");
    await page.keyboard.press("Enter");
    await page.fill("#tokens", "96");
    await page.keyboard.press("Enter");
    await page.fill("#temperature-number", "0.3");
    await page.keyboard.press("Enter");
    await page.locator("#split").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator("#budget").focus();
    await page.keyboard.press("PageUp");
    await page.locator('#transform input[value="sqrt"]').check({ force: true });
    await page.locator('#span input[value="own"]').check({ force: true });
    await page.locator(".map.exact .plate").focus();
    await page.keyboard.press("Control+Home");
    await page.keyboard.press("Shift+ArrowDown");
    await settled(page);
    await expect.poll(() => page.url()).toContain("cell=10-0");
    const look = async () => ({
      numbers: await numbers(page),
      pixels: await pixels(page),
      controls: await page.locator("select, input").evaluateAll((inputs) =>
        inputs.map((input) => {
          const { id, value, checked, type } = input as HTMLInputElement;
          return type === "radio" ? `${value}=${checked}` : `${id}=${value}`;
        }),
      ),
    });
    const before = await look();
    expect(page.url()).toMatch(
      /\?v=1&head=clusters&t=0\.3&budget=[\d.]+&split=0\.55&support=top-k&features=taylor-1&seed=77&n=96&scale=sqrt&span=own&cell=10-0$/,
    );
    await page.reload();
    await settled(page);
    expect(await look()).toEqual(before);
  });

  it("goes back and forward through choices, not through drags", async () => {
    const page = await open({ search: stateSearch(small) });
    await settled(page);
    const start = page.url();
    await page.locator("#temperature").focus();
    for (let i = 0; i < 10; i++) await page.keyboard.press("ArrowRight");
    await page.selectOption("#support", "window");
    await page.selectOption("#features", "elu");
    await settled(page);
    await page.goBack();
    await settled(page);
    expect(await page.inputValue("#features")).toBe("favor-centred");
    expect(await page.inputValue("#support")).toBe("window");
    await page.goBack();
    await settled(page);
    expect(await page.inputValue("#support")).toBe("smyrf");
    // The drag before the choice is part of this step.
    expect(await page.inputValue("#temperature-number")).toBe("1.26");
    expect(page.url()).toBe(`${start}&t=1.26`.replace(/(&n=128)(&t=1.26)/, "&t=1.26&n=128"));
    await page.goForward();
    await page.goForward();
    await settled(page);
    expect(await page.inputValue("#features")).toBe("elu");
  });

  it("is harmless whatever it holds", async () => {
    const page = await open({ search: "?v=99&t=5" });
    const hostile = [
      "?v=1&t=NaN&budget=1e99&split=-3&seed=foo&head=__proto__",
      "?v=1&head=<script>alert(1)</script>&support=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
      "?v=1&head=smollm2-l12h4&support=smyrf&features=optimal",
      "?v=1&head=clusters&n=1e9&clusters=1e9&dim=1e9&spread=1e9",
      "?v=1&head=clusters&n=32&clusters=64&dim=2&spread=0&t=0.01&budget=0.01",
      "?v=1&head=clusters&n=40&dim=2&budget=1&split=0.95&support=lsh&features=favor-hyperbolic",
      "?v=1&head=clusters&n=33&cell=99999-99999",
      `?head=clusters&${"a=%ff&".repeat(200)}`,
    ];
    for (const search of hostile) {
      await page.goto(inject("page") + search);
      await settled(page);
      expect(await page.locator("#alert").isVisible()).toBe(false);
      for (const { colours } of await pixels(page)) expect(colours).toBeGreaterThan(0);
      expect((await numbers(page)).entropy).toBeGreaterThanOrEqual(0);
      // What is left is the one form of the address, which reads the same.
      const { search: left } = new URL(page.url());
      expect(left).toBe(encodeState(decodeState(search)));
      expect(left).toBe(encodeState(decodeState(left)));
    }
  });
});
