import { start as startOurs } from "./ours.js";

/** The package without relaxed SIMD, where it would take it: of the hosts only the browser has it on. */
export async function start(environment) {
  if (typeof document === "undefined") {
    throw Object.assign(new Error("it is what runs anyway"), { code: "Unsupported" });
  }
  return startOurs({ ...environment, simd: "simd128" });
}
