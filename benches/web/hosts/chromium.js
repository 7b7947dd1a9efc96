import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { preview } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));

/** How the tests of the project start Chromium. */
const { binary, args } = JSON.parse(
  readFileSync(new URL("../../../webdriver.json", import.meta.url), "utf8"),
)["goog:chromeOptions"];

/** What a page needs to share memory with workers. */
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** The machine's GPU, or where there is none a GPU that the processor plays. */
const GPU = ["--enable-unsafe-webgpu"];
const SOFTWARE_GPU = [...GPU, "--use-webgpu-adapter=swiftshader"];

/** Contestants as pages of one headless Chromium; those with several threads in isolated ones. */
export async function chromiumHost() {
  const [plain, isolated] = await Promise.all([serve({}), serve(ISOLATED)]);
  const launch = (more) => chromium.launch({ executablePath: binary, args: [...args, ...more] });
  let browser = await launch(GPU);
  if (!(await hasAdapter(browser, plain.address))) {
    await browser.close();
    browser = await launch(SOFTWARE_GPU);
  }
  return {
    name: `Chromium ${browser.version()}`,
    reportsMemory: false,
    open: (threads) => openPage(browser, threads > 1 ? isolated.address : plain.address),
    async close() {
      await browser.close();
      await Promise.all([plain.close(), isolated.close()]);
    },
  };
}

async function hasAdapter(browser, address) {
  const page = await browser.newPage();
  await page.goto(address);
  const found = await page.evaluate(async () => Boolean(await navigator.gpu?.requestAdapter()));
  await page.close();
  return found;
}

async function openPage(browser, address) {
  // A context of its own gives the page a process of its own.
  const context = await browser.newContext();
  const page = await context.newPage();
  const crashed = new Promise((_, reject) => page.on("crash", () => reject(new Error("its page crashed"))));
  crashed.catch(() => {});
  await page.goto(address);
  await page.waitForFunction(() => globalThis.contestant !== undefined);
  return {
    async call(method, ...args) {
      const answer = page.evaluate(
        async ([method, args]) => {
          try {
            return { result: await globalThis.contestant[method](...args) };
          } catch (error) {
            return { error: { message: String(error?.message ?? error), code: error?.code } };
          }
        },
        [method, args],
      );
      const { result, error } = await Promise.race([answer, crashed]);
      if (error) throw Object.assign(new Error(error.message), { code: error.code });
      return result;
    },
    close: () => context.close(),
  };
}

async function serve(headers) {
  const server = await preview({
    root,
    configFile: false,
    logLevel: "error",
    preview: { host: "127.0.0.1", port: 0, headers },
  });
  return {
    address: `http://127.0.0.1:${server.httpServer.address().port}/`,
    close: () => server.close(),
  };
}
