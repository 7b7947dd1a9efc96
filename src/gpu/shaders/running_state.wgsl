// Adds to each chunk's state those before it, brought to its units. A thread is for a feature and a vector of columns.

// [slices, chunks, features].
@group(0) @binding(1) var<storage, read> largest: array<vec4f>;
// [slices, chunks, 4 feature vectors, values + 1].
@group(0) @binding(2) var<storage, read_write> state: array<vec4f>;

@compute @workgroup_size(64)
fn running_state(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let item = index * 64 + thread;
  let chunks = (params.keys + params.chunk - 1) / params.chunk;
  let size = 4 * params.feature_vectors * (params.values + 1);
  let slice = item / size;
  if slice >= params.slices {
    return;
  }
  let feature = item % size / (params.values + 1);
  let units = slice * chunks * params.feature_vectors + feature / 4;
  let own = slice * chunks * size + item % size;
  var sum = state[own];
  var before = largest[units][feature % 4];
  for (var chunk = 1u; chunk < chunks; chunk++) {
    let now = largest[units + chunk * params.feature_vectors][feature % 4];
    sum = sum * weight(before - now) + state[own + chunk * size];
    state[own + chunk * size] = sum;
    before = now;
  }
}
