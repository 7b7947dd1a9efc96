import { Scatterbrain } from "./api.js";
import { isOurs, start } from "./engine.js";
import { describe, ScatterbrainError, unexpected } from "./errors.js";
import { readObject } from "./inputs.js";
import type { LoadOptions } from "./options.js";

/** Compiles the module at an address; without one, the module that lies beside this package's code. */
export type CompileFrom = (address?: URL | string) => Promise<WebAssembly.Module>;

/**
 * Loads the module once and gives an object to call it with. Loading again is cheap: all share one module.
 *
 * @example const sb = await load();
 */
export type Load = (options?: LoadOptions) => Promise<Scatterbrain>;

/** `load` for an environment, given its way to get at the module. */
export function loadWith(compileFrom: CompileFrom): Load {
  return async (options = {}) => {
    const { wasm, simd } = readLoadOptions(options);
    try {
      // What was asked for is compiled even if a module is running: a wrong address should not go unnoticed.
      const given = wasm === undefined ? undefined : await compile(compileFrom, wasm);
      await start(async () => given ?? compile(compileFrom, undefined));
    } catch (error) {
      const from = typeof wasm === "string" || isA(wasm, "URL") ? ` from ${wasm}` : "";
      const reason = error instanceof Error ? error.message : String(error);
      const message = `Could not load the WebAssembly module${from}: ${reason}`;
      throw new ScatterbrainError("LoadFailed", message, { cause: error });
    }
    const scatterbrain = new Scatterbrain();
    if (simd && scatterbrain.instructionSet === "scalar") {
      scatterbrain.dispose();
      throw new ScatterbrainError(
        "Unsupported",
        "simd: true is not supported: this module was built without",
      );
    }
    return scatterbrain;
  };
}

async function compile(compileFrom: CompileFrom, wasm: LoadOptions["wasm"]): Promise<WebAssembly.Module> {
  let module: WebAssembly.Module;
  if (wasm === undefined || typeof wasm === "string" || isA(wasm, "URL")) {
    module = await compileFrom(wasm as URL | string | undefined);
  } else if (isA(wasm, "WebAssembly.Module")) {
    module = wasm as WebAssembly.Module;
  } else {
    // Some engines take a DataView for no bytes at all.
    const view = ArrayBuffer.isView(wasm);
    module = await WebAssembly.compile(
      view
        ? new Uint8Array(wasm.buffer as ArrayBuffer, wasm.byteOffset, wasm.byteLength)
        : (wasm as ArrayBuffer),
    );
  }
  if (!isOurs(module)) throw new Error("it is not this package's module");
  return module;
}

function readLoadOptions(options: unknown): LoadOptions {
  const { backend, wasm, workers, simd, ...unknown } = readObject("options", options);
  const stranger = Object.entries(unknown).find(([, value]) => value !== undefined);
  if (stranger !== undefined) {
    const [name, value] = stranger;
    throw unexpected("InvalidOption", name, describe(value), "only these keys: backend, wasm, workers, simd");
  }
  if (backend === "webgpu") {
    const why = "WebGPU is not there yet; leave backend out";
    throw new ScatterbrainError("Unsupported", `backend "webgpu" is not supported: ${why}`);
  }
  if (backend !== undefined && backend !== "auto" && backend !== "wasm") {
    throw unexpected("InvalidOption", "backend", describe(backend), 'one of "auto", "wasm", "webgpu"');
  }
  if (workers !== undefined && workers !== 1) {
    if (!Number.isInteger(workers) || (workers as number) < 1) {
      throw unexpected("InvalidOption", "workers", describe(workers), "a whole number from 1");
    }
    const why = "calls run on one thread for now; leave workers out";
    throw new ScatterbrainError("Unsupported", `workers ${workers} is not supported: ${why}`);
  }
  if (simd !== undefined && typeof simd !== "boolean") {
    throw unexpected("InvalidOption", "simd", describe(simd), "true or false");
  }
  if (simd === false) {
    const why = "the module has vector instructions or has not; leave simd out";
    throw new ScatterbrainError("Unsupported", `simd false is not supported: ${why}`);
  }
  const fits = ["URL", "WebAssembly.Module", "ArrayBuffer", "SharedArrayBuffer"].some((tag) =>
    isA(wasm, tag),
  );
  if (wasm !== undefined && typeof wasm !== "string" && !fits && !ArrayBuffer.isView(wasm)) {
    throw unexpected(
      "InvalidOption",
      "wasm",
      describe(wasm),
      "a URL, a string, bytes or a WebAssembly.Module",
    );
  }
  return { wasm, simd } as LoadOptions;
}

// By tag: a module or a URL may come from another realm.
function isA(value: unknown, tag: string): boolean {
  return Object.prototype.toString.call(value) === `[object ${tag}]`;
}
