// Of each feature, the largest logarithm among the keys up to the end of each chunk: the units of that chunk's state.

// [slices, keys, features].
@group(0) @binding(1) var<storage, read> key_features: array<vec4f>;
// [slices, chunks, features].
@group(0) @binding(2) var<storage, read_write> largest: array<vec4f>;

// Among the keys of each chunk alone. A thread is for a vector of features.
@compute @workgroup_size(64)
fn chunk_largest(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let at = index * 64 + thread;
  let chunks = (params.keys + params.chunk - 1) / params.chunk;
  let column = at % params.feature_vectors;
  let chunk = at / params.feature_vectors % chunks;
  let slice = at / params.feature_vectors / chunks;
  if slice >= params.slices {
    return;
  }
  var most = vec4f(NOTHING);
  let end = min((chunk + 1) * params.chunk, params.table[slice].x);
  for (var key = chunk * params.chunk; key < end; key++) {
    most = max(most, key_features[(slice * params.keys + key) * params.feature_vectors + column]);
  }
  largest[at] = most;
}

// Among those and all before them.
@compute @workgroup_size(64)
fn running_largest(
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
  let slice = item / params.feature_vectors;
  if slice >= params.slices {
    return;
  }
  var most = vec4f(NOTHING);
  for (var chunk = 0u; chunk < chunks; chunk++) {
    let at = (slice * chunks + chunk) * params.feature_vectors + item % params.feature_vectors;
    most = max(most, largest[at]);
    largest[at] = most;
  }
}
