import { createReadStream, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

/** How every test of the project starts Chromium. */
const { binary, args } = JSON.parse(
  readFileSync(new URL("../../../webdriver.json", import.meta.url), "utf8"),
)["goog:chromeOptions"];

/** WebGPU on SwiftShader, a GPU that the processor plays: without, headless Chromium has `navigator.gpu` and no adapter. */
export const swiftShader = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** A headless Chromium for the test `t`. */
export async function launch(t, flags = []) {
  const browser = await chromium.launch({ executablePath: binary, args: [...args, ...flags] });
  t.after(() => browser.close());
  return browser;
}

/**
 * Opens an address, waits until the page sets `globalThis.result`, and gives it. Errors of the page are thrown, but
 * for those in the console that match `mayLog`.
 */
export async function resultOf(browser, address, { mayLog = /^$/ } = {}) {
  const page = await browser.newPage();
  const failure = new Promise((_, reject) => {
    page.on("pageerror", reject);
    page.on("console", (message) => {
      if (message.type() === "error" && !mayLog.test(message.text()))
        reject(new Error(`${message.text()} (${message.location().url})`));
    });
  });
  const result = async () => {
    await page.goto(address);
    await page.waitForFunction(() => globalThis.result !== undefined);
    return page.evaluate(() => globalThis.result);
  };
  return Promise.race([result(), failure]).finally(() => page.close());
}

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** A plain file server on the loopback interface. Gives its address; `log` gets the path of each request. */
export async function serve(t, folder, { log = [], wasmType = types[".wasm"] } = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    log.push(pathname);
    const file = join(folder, normalize(pathname === "/" ? "/index.html" : pathname));
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    const type = extname(file) === ".wasm" ? wasmType : types[extname(file)];
    response.writeHead(200, type && { "Content-Type": type });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}/`;
}
