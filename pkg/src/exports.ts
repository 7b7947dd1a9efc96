export type { Scatterbrain } from "./api.js";
export { type ErrorCode, ScatterbrainError } from "./errors.js";
export type * from "./options.js";
export type * from "./results.js";
