// Sums over a support beside sums over all keys: where the entries that are taken out of the latter leave nothing but rounding.

// As on the processor: the rounding error of a low-rank sum, and what it may be relative to the normaliser.
const ROUNDING: f32 = 1.1920929e-7;
const TOLERANCE: f32 = 2e-6;

// Whether the difference of the low-rank mass of all keys and of that on the support drowns. The former two are in units that are
// `scale` times that of `sum`, the mass of the support's exact entries.
fn is_drowned(mass: f32, removed: f32, sum: f32, scale: f32) -> bool {
  let rest = mass - removed;
  let error = mass * ROUNDING;
  return error * scale > TOLERANCE * (sum + max(rest, 0.0) * scale) || abs(rest) <= error;
}
