import { Engine } from "./engine.js";
import * as glue from "./wasm-webgpu/webgpu.js";

/** What computes on a GPU. */
export const webgpu = new Engine(glue, "gpujob_step");
