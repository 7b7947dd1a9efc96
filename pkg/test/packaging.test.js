import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { build, createServer } from "vite";
import { launch, resultOf, serve } from "./support/browser.js";
import { packageFolder, project } from "./support/pack.js";
import { distance } from "./support/reference.js";

// What each environment runs: a call with a known answer, one that must fail, and one that is cut short.
const smoke = `
export async function smoke({ load, ScatterbrainError }) {
  const sb = await load();
  const q = Float32Array.of(1, 0, 0, 1);
  const shape = { queries: 2, dim: 2 };
  const { output, stats } = await sb.attention({ q, k: q, v: q, shape, scale: 1, temperature: 1 / Math.log(3) });
  const code = await sb.attention({ q, k: q, v: q, shape, seed: -1 }).catch((error) =>
    error instanceof ScatterbrainError && error.code);
  const controller = new AbortController();
  const heard = [];
  const long = { queries: 8192, dim: 8 };
  const x = new Float32Array(8192 * 8);
  const cut = await sb.attention({
    q: x, k: x, v: x, shape: long, method: "exact", signal: controller.signal,
    onProgress: (fraction) => {
      heard.push(fraction);
      if (heard.length === 3) setTimeout(() => controller.abort());
    },
  }).catch((error) => error.code);
  // The smallest matrix with a part of each kind: one entry of many ones that is not.
  const matrix = new Float32Array(100).fill(1);
  matrix[42] = 5;
  const { rank, nonzeros, sparse } = await sb.robustPca({ matrix, rows: 10, columns: 10 });
  // Of a head that is cut, and of heads that are shared out.
  const many = await load({ workers: 2 });
  const apart = [];
  for (const shape of [{ queries: 200, dim: 4 }, { heads: 3, queries: 40, dim: 4 }]) {
    const x = Float32Array.from({ length: 4 * shape.queries * (shape.heads ?? 1) }, (_, i) => Math.sin(i));
    const call = { q: x, k: x, v: x, shape, method: "exact" };
    const [one, two] = [await sb.attention(call), await many.attention(call)];
    apart.push([two.stats.workers, one.output.every((number, i) => number === two.output[i])]);
  }
  const stop = new AbortController();
  const stopped = many.attention({
    q: x, k: x, v: x, shape: long, method: "exact", signal: stop.signal, onProgress: () => stop.abort(),
  });
  const ends = [await stopped.catch((error) => error.code)];
  const lost = many.attention({ q: x, k: x, v: x, shape: long, method: "exact" });
  many.dispose();
  ends.push(await lost.catch((error) => error.code));
  sb.dispose();
  return { apart, ends, parts: [rank, nonzeros, Math.round(sparse[42] * 1e4) / 1e4], output: [...output], code, cut, heard, instructionSet: stats.instructionSet };
}`;

/** Logits 1 and 0, times ln 3: weights 3/4 and 1/4. */
function check({ apart, ends, parts, output, code, cut, heard, instructionSet }, expected = "relaxed-simd") {
  for (const [i, weight] of [0.75, 0.25, 0.25, 0.75].entries()) assert(Math.abs(output[i] - weight) < 1e-6);
  assert.deepEqual(apart, [
    [2, true],
    [2, true],
  ]);
  assert.deepEqual(ends, ["Aborted", "Disposed"]);
  assert.deepEqual(parts, [1, 1, 4]);
  assert.equal(code, "InvalidOption");
  assert.equal(cut, "Aborted");
  assert(heard.length >= 3 && heard.at(-1) < 1, `${heard}`);
  assert.equal(instructionSet, expected);
}

const page = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>';

const main = `
import * as scatterbrain from "scatterbrain-attention";
import { smoke } from "./smoke.js";
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.onerror = ({ message }) => console.error(message);
worker.onmessage = async ({ data }) => {
  globalThis.result = { inWorker: data, onPage: await smoke(scatterbrain) };
};`;

const worker = `
import * as scatterbrain from "scatterbrain-attention";
import { smoke } from "./smoke.js";
// No await at the top: Vite makes workers classic scripts.
smoke(scatterbrain).then(postMessage);`;

const app = { "index.html": page, "main.js": main, "worker.js": worker, "smoke.js": smoke };

const installed = "/node_modules/scatterbrain-attention/dist/index.js";

const plain = {
  "smoke.js": smoke,
  "main.js": main,
  "index.html": page.replace(
    "<script",
    `<script type="importmap">{ "imports": { "scatterbrain-attention": "${installed}" } }</script><script`,
  ),
  // Import maps do not reach into workers.
  "worker.js": worker.replace('"scatterbrain-attention"', `"${installed}"`),
};

before(() => {
  assert(
    statSync(join(packageFolder, "dist/index.js"), { throwIfNoEntry: false }),
    "pkg/dist is empty; fill it with: make package",
  );
});

test("the package holds what it needs, and nothing else", (t) => {
  const { contents, folder } = project(t);
  const needed = ["README.md", "dist/index.js", "dist/index.d.ts", "dist/node.js", "dist/LICENSE-MIT"];
  for (const path of needed) assert(contents.includes(path), `${path} is missing`);
  assert.equal(contents.filter((path) => path.endsWith(".wasm")).length, 4);
  const strange = contents.filter((path) => !/^(dist\/|README\.md$|package\.json$)/.test(path));
  assert.deepEqual(strange, []);
  const manifest = JSON.parse(readFileSync(join(folder, "node_modules/scatterbrain-attention/package.json")));
  assert.equal(manifest.dependencies, undefined);
  assert.equal(Object.keys(manifest.exports["."])[0], "types");
});

test("Node", (t) => {
  const { folder } = project(t, {
    "smoke.js": smoke,
    "main.js": `import * as scatterbrain from "scatterbrain-attention";
      import { smoke } from "./smoke.js";
      console.log(JSON.stringify(await smoke(scatterbrain)));`,
    "addresses.js": `for (const path of ["/scatterbrain.wasm", "/scatterbrain-relaxed.wasm", "/robust-pca.wasm", "/webgpu.wasm", "/package.json"])
      console.log(import.meta.resolve("scatterbrain-attention" + path));`,
  });
  const node = (file) => execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
  const relaxed = Number.parseInt(process.versions.node, 10) > 20;
  check(JSON.parse(node("main.js")), relaxed ? "relaxed-simd" : "simd128");
  for (const address of node("addresses.js").trim().split("\n")) assert(statSync(new URL(address)).isFile());
});

for (const wasmType of ["application/wasm", "application/octet-stream", undefined]) {
  test(`no bundler, page and worker, wasm served as ${wasmType}`, async (t) => {
    const { folder } = project(t, plain);
    const log = [];
    const address = await serve(t, folder, { log, wasmType });
    const { onPage, inWorker } = await resultOf(await launch(t), address);
    check(onPage);
    check(inWorker);
    for (const name of ["scatterbrain_bg.wasm", "robust_pca_bg.wasm"]) {
      const times = log.filter((path) => path.endsWith(name)).length;
      assert(times >= 1 && times <= 2, `${name} ${times} times: once for the page, once for the worker`);
    }
  });
}

test("the module for robust PCA is fetched by the first call that needs it", async (t) => {
  const { folder } = project(t, {
    "index.html": page,
    "main.js": `
      import { load } from "${installed}";
      const sb = await load();
      const q = Float32Array.of(1, 0, 0, 1);
      await sb.attention({ q, k: q, v: q, shape: { queries: 2, dim: 2 } });
      globalThis.result = true;`,
  });
  const log = [];
  await resultOf(await launch(t), await serve(t, folder, { log }));
  assert.deepEqual(
    log.filter((path) => path.endsWith(".wasm")),
    ["/node_modules/scatterbrain-attention/dist/wasm-relaxed/scatterbrain_bg.wasm"],
  );
});

test("workers under a page's security policy, and where they are not allowed", async (t) => {
  const policy = (workers) =>
    `<meta http-equiv="Content-Security-Policy" content="default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src ${workers}; img-src data:">`;
  const { folder } = project(t, {
    "index.html": page.replace("<link", `${policy("'self'")}<link`),
    "none.html": page.replace("<link", `${policy("'none'")}<link`),
    "smoke.js": smoke,
    "main.js": `
      import { load } from "${installed}";
      globalThis.result = await load({ workers: 2 }).then(
        async (sb) => {
          const q = Float32Array.of(1, 0, 0, 1);
          const { stats } = await sb.attention({ q, k: q, v: q, shape: { heads: 2, queries: 1, dim: 2 } });
          return stats.workers;
        },
        (error) => [error.code, error.message],
      );`,
  });
  const [browser, address] = [await launch(t), await serve(t, folder)];
  assert.equal(await resultOf(browser, address), 2);
  const [code, message] = await resultOf(browser, `${address}none.html`, {
    mayLog: /Content Security Policy/,
  });
  assert.equal(code, "LoadFailed");
  assert.match(message, /^Could not start 2 workers: /);
});

test("relaxed SIMD is taken where it is there, and agrees with SIMD128", async (t) => {
  // One realm runs one module: each has a page of its own.
  const files = { "reference.js": readFileSync(new URL("./support/reference.js", import.meta.url), "utf8") };
  const { folder } = project(t, {
    ...files,
    "index.html": page,
    "main.js": `
      import { load } from "${installed}";
      import { tensors } from "./reference.js";
      const simd = new URLSearchParams(location.search).get("simd") ?? undefined;
      const sb = await load({ simd });
      const outputs = [];
      for (const options of [{ method: "exact" }, { budget: 0.2 }, { support: { kind: "smyrf" }, features: { kind: "favor" } }]) {
        const { output } = await sb.attention({ ...tensors({ heads: 2, queries: 300, dim: 40 }), ...options });
        outputs.push([...output]);
      }
      const other = simd === "simd128" ? "relaxed" : "simd128";
      const refusal = await load({ simd: other }).catch((error) => [error.code, error.message]);
      globalThis.result = { instructionSet: sb.instructionSet, outputs, refusal };`,
  });
  const browser = await launch(t);
  const results = {};
  for (const query of ["", "?simd=relaxed", "?simd=simd128"]) {
    const log = [];
    const result = await resultOf(browser, (await serve(t, folder, { log })) + query);
    const expected = query.endsWith("simd128") ? "simd128" : "relaxed-simd";
    assert.equal(result.instructionSet, expected);
    assert.equal(log.filter((path) => path.endsWith(".wasm")).length, 1, `${log}`);
    assert.equal(result.refusal[0], "Unsupported");
    assert(result.refusal[1].includes(expected), result.refusal[1]);
    results[query] = result.outputs;
  }
  assert.deepEqual(results[""], results["?simd=relaxed"]);
  for (const [i, output] of results[""].entries()) {
    const apart = distance(output, results["?simd=simd128"][i]);
    // Not 0, or it was not another module that ran. A random feature is an exponential of a logit: it magnifies its rounding.
    assert(apart > 0 && apart < 1e-5, `${i}: ${apart}`);
  }
});

test("no bundler, and the module is not there", async (t) => {
  const { folder } = project(t, {
    "index.html": page,
    "main.js": `
      import { load } from "${installed}";
      const reason = await load({ wasm: "/none.wasm" }).catch((error) => [error.code, error.message]);
      const page = await load({ wasm: location.href }).catch((error) => [error.code, error.message]);
      await load();
      globalThis.result = { reason, page };`,
  });
  const address = await serve(t, folder);
  const { reason, page: html } = await resultOf(await launch(t), address, { mayLog: /404/ });
  assert.equal(reason[0], "LoadFailed");
  assert(reason[1].includes("/none.wasm") && reason[1].includes("404"), reason[1]);
  assert.equal(html[0], "LoadFailed");
  assert(html[1].includes("text/html"), html[1]);
});

test("Vite, built", async (t) => {
  const { folder } = project(t, app);
  await build({ root: folder, configFile: false, logLevel: "error" });
  const emitted = readdirSync(join(folder, "dist"), { recursive: true });
  assert.equal(emitted.filter((path) => path.endsWith(".wasm")).length, 4, emitted.join(", "));
  const log = [];
  const { onPage, inWorker } = await resultOf(await launch(t), await serve(t, join(folder, "dist"), { log }));
  check(onPage);
  check(inWorker);
  // Emitted, since it is there to be asked for, but not fetched.
  assert.deepEqual(
    log.filter((path) => /webgpu.*\.wasm$/.test(path)),
    [],
  );
});

test("Vite, in development", async (t) => {
  const { folder } = project(t, app);
  const server = await createServer({
    root: folder,
    configFile: false,
    logLevel: "error",
    server: { host: "127.0.0.1", port: 0 },
  });
  t.after(() => server.close());
  await server.listen();
  const { onPage, inWorker } = await resultOf(await launch(t), server.resolvedUrls.local[0]);
  check(onPage);
  check(inWorker);
});
