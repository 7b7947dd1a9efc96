import { Engine } from "./engine.js";
import * as glue from "./wasm/scatterbrain.js";

/** What every page loads. */
export const core = new Engine(glue, "job_step");
