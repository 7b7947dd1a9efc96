import { Engine } from "./engine.js";
import * as glue from "./wasm-robust-pca/robust_pca.js";

/** Robust PCA, with the linear algebra that only it needs. */
export const robustPca = new Engine(glue, "robustpcajob_step");
