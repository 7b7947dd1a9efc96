// SMYRF's asymmetric transformations: projections of tokens that were lifted to one length, as integers that sort like them.

@group(0) @binding(1) var<storage, read> tokens: array<vec4f>;
// [slices, rounds, dim + 1]: the last vector has what the lift of a key, and that of a query, is multiplied by.
@group(0) @binding(2) var<storage, read> directions: array<vec4f>;
// [slices, tokens, 1 + rounds]: half of the squared length, then the inner products.
@group(0) @binding(3) var<storage, read_write> products: array<f32>;

// Whether the tokens are keys.
override KEYS: bool = false;

// Elements saturate here: sums of their squares then stay finite.
const LIMIT: f32 = 1e17;
const THREADS: u32 = 64;

// The slice of a workgroup, and the token of a thread.
fn token_of(index: u32, thread: u32) -> vec2u {
  let all = select(params.queries, params.keys, KEYS);
  let blocks = (all + THREADS - 1) / THREADS;
  return vec2u(index / blocks, index % blocks * THREADS + thread);
}

fn tokens_of(slice: u32) -> u32 {
  return select(params.queries, params.table[slice].x, KEYS);
}

fn place_of(slice: u32, token: u32) -> u32 {
  return (slice * select(params.queries, params.keys, KEYS) + token) * (1 + params.rounds);
}

@compute @workgroup_size(64)
fn project(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  let at = token_of(index, thread);
  if index >= dispatch.end || at.y >= tokens_of(at.x) {
    return;
  }
  let first = (select(at.x * params.queries, params.table[at.x].y * params.keys, KEYS) + at.y) * params.dim;
  let out = place_of(at.x, at.y);
  var square = vec4f();
  for (var n = 0u; n < params.dim; n++) {
    let x = clamp(tokens[first + n], vec4f(-LIMIT), vec4f(LIMIT));
    square += x * x;
  }
  products[out] = 0.5 * ((square.x + square.y) + (square.z + square.w));
  for (var round = 0u; round < params.rounds; round++) {
    let direction = (at.x * params.rounds + round) * (params.dim + 1);
    var sum = vec4f();
    for (var n = 0u; n < params.dim; n++) {
      sum += directions[direction + n] * clamp(tokens[first + n], vec4f(-LIMIT), vec4f(LIMIT));
    }
    products[out + 1 + round] = (sum.x + sum.y) + (sum.z + sum.w);
  }
}

@group(0) @binding(1) var<storage, read> query_products: array<f32>;
@group(0) @binding(2) var<storage, read> key_products: array<f32>;
// Of each slice half of the squared length that all tokens are lifted to.
@group(0) @binding(3) var<storage, read_write> radii: array<f32>;

var<workgroup> most: array<vec2f, THREADS>;

@compute @workgroup_size(64)
fn radius(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let slice = group_index(id, count);
  if slice >= dispatch.end {
    return;
  }
  var own = vec2f();
  let stride = 1 + params.rounds;
  for (var n = thread; n < params.queries; n += THREADS) {
    own.x = max(own.x, query_products[(slice * params.queries + n) * stride]);
  }
  for (var n = thread; n < params.table[slice].x; n += THREADS) {
    own.y = max(own.y, key_products[(slice * params.keys + n) * stride]);
  }
  most[thread] = own;
  workgroupBarrier();
  if thread == 0 {
    for (var n = 1u; n < THREADS; n++) {
      own = max(own, most[n]);
    }
    radii[slice] = own.x + own.y;
  }
}

@group(0) @binding(1) var<storage, read> unlifted: array<f32>;
@group(0) @binding(3) var<storage, read> radius_of: array<f32>;
// [slices, rounds, tokens].
@group(0) @binding(4) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn lift(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  let at = token_of(index, thread);
  if index >= dispatch.end || at.y >= tokens_of(at.x) {
    return;
  }
  let place = place_of(at.x, at.y);
  let height = sqrt(2.0 * max(radius_of[at.x] - unlifted[place], 0.0));
  for (var round = 0u; round < params.rounds; round++) {
    let list = at.x * params.rounds + round;
    let along = directions[list * (params.dim + 1) + params.dim];
    let bits = bitcast<u32>(unlifted[place + 1 + round] + select(along.y, along.x, KEYS) * height);
    let all = select(params.queries, params.keys, KEYS);
    values[list * all + at.y] = select(~bits, bits | 0x80000000u, bits >> 31 == 0);
  }
}
