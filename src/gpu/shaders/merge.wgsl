// Rows from what the rounds of `tiles.wgsl` found of each, and from the low-rank sums. A thread is for one vector of a row.

@group(0) @binding(1) var<storage, read> parts: array<vec4f>;
// Without features anything.
@group(0) @binding(2) var<storage, read> low: array<vec4f>;
// As in `rows.wgsl`.
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

const THREADS: u32 = 64;

@compute @workgroup_size(64)
fn merge(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  let stride = params.values + 1;
  let place = index * THREADS + thread;
  let column = place % stride;
  let slice = place / stride / params.queries;
  let query = place / stride % params.queries;
  if index >= dispatch.end || slice >= params.slices {
    return;
  }
  let first = (slice * params.rounds * params.queries + query) * stride;
  let round_stride = params.queries * stride;

  // Of the low-rank sums, where there are keys.
  var about = vec4f(LOWEST, 0.0, 0.0, 0.0);
  if params.features > 0 && params.table[slice].x > 0 {
    about = low[place - column + params.values];
  }
  let mass = about.y;
  var largest = about.x;
  for (var round = 0u; round < params.rounds; round++) {
    largest = max(largest, parts[first + round * round_stride + params.values].x);
  }
  let scale = select(0.0, weight(about.x - largest), mass > 0.0);
  var sum = 0.0;
  var removed = 0.0;
  var listed = 0.0;
  var value = vec4f();
  if mass > 0.0 && column < params.values {
    value = scale * low[place];
  }
  for (var round = 0u; round < params.rounds; round++) {
    let part = first + round * round_stride;
    let found = parts[part + params.values];
    let factor = weight(found.x - largest);
    sum += factor * found.y;
    removed += found.z;
    listed += found.w;
    value += factor * parts[part + column];
  }
  let total = sum + (mass - removed) * scale;
  if column < params.values {
    out[place] = select(vec4f(), value / total, total > 0.0);
    return;
  }
  let all = listed == f32(params.table[slice].x);
  let again = mass > 0.0 && ((removed > 0.0 && is_drowned(mass, removed, sum, scale)) || all);
  let normalizer = select(LOWEST, largest + log(total), total > 0.0);
  out[place] = vec4f(normalizer, listed, 0.0, select(0.0, 1.0, again));
}
