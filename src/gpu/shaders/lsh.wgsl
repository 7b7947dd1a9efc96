// Cross-polytope hashing: three rotations by signs and a Hadamard transform, then the signed axis that is nearest.
//
// params.extra.z is the dimension, rounded up to a power of two.

@group(0) @binding(1) var<storage, read> tokens: array<vec4f>;
// [slices, rounds, 3 rotations, axes].
@group(0) @binding(2) var<storage, read> signs: array<f32>;
// [slices, rounds, tokens].
@group(0) @binding(3) var<storage, read_write> buckets: array<u32>;

// Whether the tokens are keys.
override KEYS: bool = false;

const THREADS: u32 = 64;
const TILE: u32 = 2048;
// Where the dimension is no power of two, some axes see the same numbers: a tie that rounding must not decide.
const TIE: f32 = 1.000001;

// [axis, token].
var<workgroup> tile: array<f32, TILE>;
var<workgroup> lengths: array<f32, THREADS>;

@compute @workgroup_size(64)
fn hash(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let axes = params.extra.z;
  let together = min(TILE / axes, THREADS);
  let all = select(params.queries, params.keys, KEYS);
  let blocks = (all + together - 1) / together;
  let list = index / blocks;
  let slice = list / params.rounds;
  let first = index % blocks * together;
  let end = select(params.queries, params.table[slice].x, KEYS);
  let start = select(slice * params.queries, params.table[slice].y * params.keys, KEYS);

  for (var n = thread; n < together * axes; n += THREADS) {
    let token = first + n % together;
    let axis = n / together;
    var x = 0.0;
    if token < end && axis < 4 * params.dim {
      // Divisions are exact enough only up to 2^126.
      x = tokens[(start + token) * params.dim + axis / 4][axis % 4] * 0.25;
    }
    tile[n] = x;
  }
  workgroupBarrier();
  // Only directions count, and rotating numbers near f32's limits would overflow.
  if thread < together {
    var length = 1.2e-38;
    for (var axis = 0u; axis < axes; axis++) {
      length = max(length, abs(tile[axis * together + thread]));
    }
    lengths[thread] = length;
  }
  workgroupBarrier();
  for (var n = thread; n < together * axes; n += THREADS) {
    tile[n] /= lengths[n % together];
  }
  for (var turn = 0u; turn < 3; turn++) {
    workgroupBarrier();
    for (var n = thread; n < together * axes; n += THREADS) {
      tile[n] *= signs[(list * 3 + turn) * axes + n / together];
    }
    for (var half = 1u; half < axes; half *= 2) {
      workgroupBarrier();
      for (var n = thread; n < together * axes / 2; n += THREADS) {
        let pair = n / together;
        let low = (pair / half * 2 * half + pair % half) * together + n % together;
        let high = low + half * together;
        let a = tile[low];
        let b = tile[high];
        tile[low] = a + b;
        tile[high] = a - b;
      }
    }
  }
  workgroupBarrier();
  let token = first + thread;
  if thread < together && token < end {
    var largest = 0.0;
    var nearest = 0u;
    for (var axis = 0u; axis < axes; axis++) {
      let x = tile[axis * together + thread];
      if abs(x) > largest * TIE {
        largest = abs(x);
        nearest = 2 * axis + select(0u, 1u, x < 0.0);
      }
    }
    buckets[list * all + token] = nearest;
  }
}
