import { Scatterbrain } from "./api.js";
import { core } from "./core.js";
import type { Engine } from "./engine.js";
import { describe, ScatterbrainError, unexpected } from "./errors.js";
import { Gpu } from "./gpu.js";
import { readObject } from "./inputs.js";
import { hasRelaxedSimd, INSTRUCTION_SETS } from "./instructions.js";
import type { LoadOptions } from "./options.js";
import { Pool, type Spawn } from "./pool.js";
import { robustPca } from "./robust-pca.js";
import { webgpu } from "./webgpu.js";

/** Compiles the module at an address. */
export type CompileFrom = (address: URL | string) => Promise<WebAssembly.Module>;

/** Where the modules lie that belong to this package's code. */
export interface Addresses {
  core: URL;
  /** The core once more, compiled with relaxed SIMD. */
  relaxed: URL;
  robustPca: URL;
  webgpu: URL;
}

/**
 * Loads the module once and gives an object to call it with. Loading again is cheap: all share one module.
 *
 * @example const sb = await load();
 */
export type Load = (options?: LoadOptions) => Promise<Scatterbrain>;

/** The most workers that can be asked for. */
const MAX_WORKERS = 64;

/** `load` for an environment, given its ways to get at a module and to start a worker. */
export function loadWith(own: Addresses, compileFrom: CompileFrom, spawn: Spawn): Load {
  return async (options = {}) => {
    const { backend = "wasm", wasm, simd = "auto", workers = 1, ...others } = readLoadOptions(options);
    const relaxed = simd !== "simd128" && hasRelaxedSimd();
    if (simd === "relaxed" && !relaxed) throw unsupported("simd", simd, "this engine has no relaxed SIMD");
    await start(core, compileFrom, wasm, relaxed ? own.relaxed : own.core);
    const instructionSet = core.ask((glue) => glue.instructionSet());
    if (simd !== "auto" && instructionSet !== INSTRUCTION_SETS[simd]) {
      const why = `the module that runs here is ${instructionSet}, and the first load decides`;
      throw unsupported("simd", simd, why);
    }
    const pool = workers > 1 ? await startPool(spawn, workers) : undefined;
    let gpu: Gpu | undefined;
    if (backend !== "wasm") {
      gpu = new Gpu(backend === "webgpu", () => start(webgpu, compileFrom, others.webgpu, own.webgpu));
      try {
        await gpu.start();
      } catch (error) {
        pool?.end(error as ScatterbrainError);
        throw error;
      }
    }
    return new Scatterbrain(() => start(robustPca, compileFrom, others.robustPca, own.robustPca), pool, gpu);
  };
}

async function startPool(spawn: Spawn, size: number): Promise<Pool> {
  const pool = new Pool(core.module, spawn, size);
  try {
    await pool.started();
    return pool;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const failure = new ScatterbrainError("LoadFailed", `Could not start ${size} workers: ${reason}`, {
      cause: error,
    });
    pool.end(failure);
    throw failure;
  }
}

type Source = NonNullable<LoadOptions["wasm"]>;

/** Starts `engine` with the module given, or else with our own. */
async function start(
  engine: Pick<Engine<never>, "start" | "isOurs">,
  compileFrom: CompileFrom,
  source: Source | undefined,
  own: URL,
): Promise<void> {
  const compile = async (source: Source) => {
    const module = await compileSource(compileFrom, source);
    if (!engine.isOurs(module)) throw new Error("it is not this package's module");
    return module;
  };
  try {
    // What was asked for is compiled even if a module is running: a wrong address should not go unnoticed.
    const given = source === undefined ? undefined : await compile(source);
    await engine.start(async () => given ?? compile(own));
  } catch (error) {
    const from = typeof source === "string" || isA(source, "URL") ? ` from ${source}` : "";
    const reason = error instanceof Error ? error.message : String(error);
    const message = `Could not load the WebAssembly module${from}: ${reason}`;
    throw new ScatterbrainError("LoadFailed", message, { cause: error });
  }
}

async function compileSource(compileFrom: CompileFrom, source: Source): Promise<WebAssembly.Module> {
  if (typeof source === "string" || isA(source, "URL")) return compileFrom(source as URL | string);
  if (isA(source, "WebAssembly.Module")) return source as WebAssembly.Module;
  // Some engines take a DataView for no bytes at all.
  const bytes = ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength)
    : (source as ArrayBuffer);
  return WebAssembly.compile(bytes);
}

function readLoadOptions(options: unknown): LoadOptions {
  const { backend, wasm, robustPca, webgpu, workers, simd, ...unknown } = readObject("options", options);
  const stranger = Object.entries(unknown).find(([, value]) => value !== undefined);
  if (stranger !== undefined) {
    const [name, value] = stranger;
    const keys = "backend, wasm, robustPca, webgpu, workers, simd";
    throw unexpected("InvalidOption", name, describe(value), `only these keys: ${keys}`);
  }
  if (backend !== undefined && backend !== "auto" && backend !== "wasm" && backend !== "webgpu") {
    throw unexpected("InvalidOption", "backend", describe(backend), 'one of "auto", "wasm", "webgpu"');
  }
  if (
    workers !== undefined &&
    !(Number.isInteger(workers) && 1 <= Number(workers) && Number(workers) <= MAX_WORKERS)
  ) {
    throw unexpected(
      "InvalidOption",
      "workers",
      describe(workers),
      `a whole number from 1 to ${MAX_WORKERS}`,
    );
  }
  if (simd !== undefined && simd !== "auto" && simd !== "simd128" && simd !== "relaxed") {
    throw unexpected("InvalidOption", "simd", describe(simd), 'one of "auto", "simd128", "relaxed"');
  }
  for (const [name, source] of Object.entries({ wasm, robustPca, webgpu })) {
    if (source === undefined || isSource(source)) continue;
    throw unexpected(
      "InvalidOption",
      name,
      describe(source),
      "a URL, a string, bytes or a WebAssembly.Module",
    );
  }
  return { backend, wasm, robustPca, webgpu, workers, simd } as LoadOptions;
}

function unsupported(name: string, value: string, why: string): ScatterbrainError {
  return new ScatterbrainError("Unsupported", `${name} "${value}" is not supported: ${why}`);
}

function isSource(value: unknown): boolean {
  const tags = ["URL", "WebAssembly.Module", "ArrayBuffer", "SharedArrayBuffer"];
  return typeof value === "string" || ArrayBuffer.isView(value) || tags.some((tag) => isA(value, tag));
}

// By tag: a module or a URL may come from another realm.
function isA(value: unknown, tag: string): boolean {
  return Object.prototype.toString.call(value) === `[object ${tag}]`;
}
