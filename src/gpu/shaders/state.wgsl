// Of each chunk of keys the sum of feature times value, and of the features: in units of each feature's largest so far.
//
// A workgroup has 128 threads and is for 64 features and 16 vectors of columns; each thread takes 8 features and one vector.

// [slices, keys, features].
@group(0) @binding(1) var<storage, read> key_features: array<vec4f>;
// [slices, chunks, features].
@group(0) @binding(2) var<storage, read> largest: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// [slices, chunks, 4 feature vectors, values + 1]: the last vector begins with the sum of the feature.
@group(0) @binding(4) var<storage, read_write> state: array<vec4f>;

const COLUMNS: u32 = 16;
// Keys at hand at a time.
const KEYS: u32 = 16;

// [key, 16 vectors of 4 features].
var<workgroup> feature_tile: array<vec4f, 256>;
// [key, 16 vectors].
var<workgroup> value_tile: array<vec4f, 256>;

@compute @workgroup_size(128)
fn chunk_state(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let chunks = (params.keys + params.chunk - 1) / params.chunk;
  let blocks = (params.feature_vectors + COLUMNS - 1) / COLUMNS;
  let parts = (params.values + COLUMNS - 1) / COLUMNS;
  let first_column = index % parts * COLUMNS;
  let first_feature = index / parts % blocks * COLUMNS;
  let chunk = index / parts / blocks % chunks;
  let slice = index / parts / blocks / chunks;
  let end = min((chunk + 1) * params.chunk, params.table[slice].x);

  // This vector of features and of columns is what the thread loads; in the product the column and these eight features are its own.
  let column = thread % 16;
  let eight = thread / 16;
  let loads = first_feature + column < params.feature_vectors;
  var units = vec4f();
  if loads {
    units = largest[(slice * chunks + chunk) * params.feature_vectors + first_feature + column];
  }
  var mass = vec4f();
  var sums = array<vec4f, 8>();
  for (var start = chunk * params.chunk; start < end; start += KEYS) {
    workgroupBarrier();
    for (var n = eight; n < KEYS; n += 8) {
      let key = start + n;
      var feature = vec4f();
      if loads && key < end {
        let row = (slice * params.keys + key) * params.feature_vectors;
        feature = weights(key_features[row + first_feature + column] - units);
      }
      var value = vec4f();
      if first_column + column < params.values && key < end {
        value = v[(params.table[slice].y * params.keys + key) * params.values + first_column + column];
      }
      feature_tile[n * 16 + column] = feature;
      value_tile[n * 16 + column] = value;
      mass += feature;
    }
    workgroupBarrier();
    for (var n = 0u; n < KEYS; n++) {
      let value = value_tile[n * 16 + column];
      let low = feature_tile[n * 16 + eight * 2];
      let high = feature_tile[n * 16 + eight * 2 + 1];
      sums[0] += low.x * value;
      sums[1] += low.y * value;
      sums[2] += low.z * value;
      sums[3] += low.w * value;
      sums[4] += high.x * value;
      sums[5] += high.y * value;
      sums[6] += high.z * value;
      sums[7] += high.w * value;
    }
  }

  let first_row = (slice * chunks + chunk) * 4 * params.feature_vectors;
  for (var n = 0u; n < 8; n++) {
    let feature = first_feature * 4 + eight * 8 + n;
    if feature < 4 * params.feature_vectors && first_column + column < params.values {
      state[(first_row + feature) * (params.values + 1) + first_column + column] = sums[n];
    }
  }
  workgroupBarrier();
  feature_tile[thread] = mass;
  workgroupBarrier();
  if eight == 0 && loads && first_column == 0 {
    var total = vec4f();
    for (var n = 0u; n < 8; n++) {
      total += feature_tile[n * 16 + column];
    }
    for (var n = 0u; n < 4; n++) {
      let row = first_row + (first_feature + column) * 4 + n;
      state[row * (params.values + 1) + params.values] = vec4f(total[n], 0.0, 0.0, 0.0);
    }
  }
}
