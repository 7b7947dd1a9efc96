/** A GPU for what `load` gives: a device that is checked when it is opened, and opened anew once it was lost. */
import { type ErrorCode, ScatterbrainError } from "./errors.js";
import { type Call, copiedCall } from "./inputs.js";
import type { AttentionResult, SweepPoint } from "./results.js";
import { carryOut, carryOutFaster, type Task } from "./task.js";
import { nextTurn } from "./turns.js";
import type { Device } from "./wasm-webgpu/webgpu.js";
import { webgpu } from "./webgpu.js";

/** What can go wrong that is not the caller's fault, and may go well in WebAssembly. */
const OURS: readonly ErrorCode[] = [
  "NoDevice",
  "DeviceLost",
  "DeviceFailed",
  "OutOfMemory",
  "Unsupported",
  "Internal",
];

/** A device, and the instance of the module that it belongs to. */
interface Opened {
  device: Device;
  adapter: string;
  generation: number;
}

export class Gpu {
  readonly #strict: boolean;
  readonly #startModule: () => Promise<void>;
  #isStarted = false;
  #opened: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  /** Why there is no device, and will not be one. */
  #failure: ScatterbrainError | undefined;
  #closed = false;

  /** If `strict`, what fails fails; if not, it is computed in WebAssembly. `startModule` sees to it that the module runs. */
  constructor(strict: boolean, startModule: () => Promise<void>) {
    this.#strict = strict;
    this.#startModule = startModule;
  }

  /** Opens a first device. */
  async start(): Promise<void> {
    try {
      await this.#device();
    } catch (error) {
      if (!(error instanceof ScatterbrainError)) throw error;
      if (!this.#strict) return;
      const advice = 'backend "auto" or "wasm" computes in WebAssembly instead';
      throw new ScatterbrainError(error.code, `${error.message}; ${advice}`, { cause: error });
    }
  }

  /** Why nothing is computed here any more. */
  get failure(): ScatterbrainError | undefined {
    return this.#failure;
  }

  /** Attention; `onWasm` is what to do instead. */
  async attention(
    given: Call,
    check: () => void,
    onWasm: (call: Call) => Promise<AttentionResult>,
  ): Promise<AttentionResult> {
    if (this.#failure !== undefined) return noting(this.#failure, await onWasm(given));
    // What is given may change while a device is opened, and before it is looked at a second time.
    const call = this.#strict && this.#alive() ? given : risingCopy(given);
    try {
      return await this.#onDevice(check, async ({ device, adapter }) => {
        const { q, k, v, options, onProgress } = call;
        const task = webgpu.task(({ GpuJob }) => GpuJob.attention(device, q, k, v, options));
        const { output, stats } = (await carryOut(task, check, onProgress)) as AttentionResult;
        return { output, stats: { ...stats, adapter } };
      });
    } catch (error) {
      if (this.#strict || !isOurs(error)) throw error;
      return noting(error, await onWasm(call));
    }
  }

  /** A sweep where it is faster; `onWasm` starts it in WebAssembly. */
  async sweep(given: Call, check: () => void, onWasm: (call: Call) => Task): Promise<SweepPoint[]> {
    const inWasm = async (call: Call) =>
      (await carryOut(onWasm(call), check, call.onProgress)) as SweepPoint[];
    if (this.#failure !== undefined) return inWasm(given);
    const call = risingCopy(given);
    try {
      return await this.#onDevice(check, async ({ device }) => {
        const { q, k, v, options, onProgress } = call;
        const onGpu = webgpu.task(({ GpuJob }) => GpuJob.sweep(device, q, k, v, options));
        // It is a list, or there would be no task.
        const { length } = options.temperatures as ArrayLike<unknown>;
        const result =
          length === 1
            ? carryOut(onGpu, check, onProgress)
            : carryOutFaster([onGpu, onWasm(call)], 1 / length, check, onProgress);
        return (await result) as SweepPoint[];
      });
    } catch (error) {
      if (!isOurs(error) || (this.#strict && error.code !== "Unsupported")) throw error;
      return inWasm(call);
    }
  }

  /** Ends what runs on the device, and frees it. */
  close(): void {
    this.#closed = true;
    void this.#drop();
  }

  async #onDevice<T>(check: () => void, work: (opened: Opened) => Promise<T>): Promise<T> {
    webgpu.enter();
    try {
      const opened = this.#alive() ?? (await this.#device());
      check();
      return await work(opened);
    } finally {
      void webgpu.leave();
    }
  }

  /** The device, if it is still there. */
  #alive(): Opened | undefined {
    const opened = this.#opened;
    if (opened?.generation !== webgpu.generation) return undefined;
    return webgpu.ask(() => opened.device.isLost()) ? undefined : opened;
  }

  /** A new device. Calls that need one at the same time share it. */
  #device(): Promise<Opened> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Opened> {
    try {
      await this.#drop();
      const adapter = await findAdapter();
      if (!this.#isStarted) await this.#startModule();
      this.#isStarted = true;
      const opened = { device: await openDevice(), adapter, generation: webgpu.generation };
      this.#opened = opened;
      if (this.#closed) await this.#drop();
      return opened;
    } catch (error) {
      if (!this.#strict && error instanceof ScatterbrainError) this.#failure = error;
      throw error;
    }
  }

  async #drop(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    const isThere = () => opened.generation === webgpu.generation;
    if (isThere()) webgpu.ask(() => opened.device.destroy());
    // Whoever leaves last has the module restarted. It must have heard by then that the device is gone, as it does soon.
    while (isThere() && !webgpu.ask(() => opened.device.isLost())) await nextTurn();
    if (isThere()) webgpu.ask(() => opened.device.free());
    await webgpu.leave();
  }
}

/** A device that computes rightly, and is a user of the module. */
async function openDevice(): Promise<Device> {
  webgpu.enter();
  try {
    const task = webgpu.task(({ GpuJob }) => GpuJob.open());
    return (await carryOut(task, () => {}, undefined)) as Device;
  } catch (error) {
    void webgpu.leave();
    if (!isOurs(error) || error.code === "NoDevice") throw error;
    throw noDevice(`its check failed: ${error.message}`, { cause: error });
  }
}

/** What the types of TypeScript's libraries do not have everywhere. */
interface WebGpu {
  requestAdapter(options: { powerPreference: "high-performance" }): Promise<Adapter | null>;
}

interface Adapter {
  info: Record<"vendor" | "architecture" | "device" | "description", string>;
}

/** What the adapter is called. Where there is none, the module need not be fetched. */
async function findAdapter(): Promise<string> {
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: WebGpu };
  if (gpu === undefined) {
    throw noDevice(
      "this environment has no navigator.gpu, which browsers have on secure pages (https, localhost)",
    );
  }
  let adapter: Adapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    throw noDevice(`asking for an adapter failed: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  if (!adapter) throw noDevice("the browser has no adapter: the GPU is blocked, or its driver is too old");
  // Browsers differ in how much they tell.
  const { vendor, architecture, device, description } = adapter.info ?? {};
  return description || [vendor, architecture, device].filter(Boolean).join(" ") || "unnamed";
}

function noDevice(why: string, options?: ErrorOptions): ScatterbrainError {
  return new ScatterbrainError("NoDevice", `There is no WebGPU device to use: ${why}`, options);
}

function noting(error: ScatterbrainError, result: AttentionResult): AttentionResult {
  return { ...result, stats: { ...result.stats, fallback: `Computed in WebAssembly: ${error.message}` } };
}

function isOurs(error: unknown): error is ScatterbrainError {
  return error instanceof ScatterbrainError && OURS.includes(error.code);
}

/** A copy that reports only what is more than before: a call that is run again begins again. */
function risingCopy(call: Call): Call {
  const { onProgress } = call;
  let most = Number.NEGATIVE_INFINITY;
  const hear = (fraction: number) => {
    if (fraction <= most) return;
    most = fraction;
    onProgress?.(fraction);
  };
  return { ...copiedCall(call), onProgress: onProgress && hear };
}
