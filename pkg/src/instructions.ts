/** What `load` can be asked for, and what a module with it calls itself. */
export const INSTRUCTION_SETS = { simd128: "simd128", relaxed: "relaxed-simd" } as const;

/** (module (func (result v128) (f32x4.relaxed_madd v v v))), v being (i8x16.splat (i32.const 0)). */
// biome-ignore format: a line for each section
const RELAXED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0,
  1, 5, 1, 96, 0, 1, 123,
  3, 2, 1, 0,
  10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11,
);

/** Whether this engine has relaxed SIMD, with its fused multiply-add. Node has it from 21 on. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED);
}
