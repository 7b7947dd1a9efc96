// What rows read from the state: sums of entry times value, and of entries, over the first keys.
//
// A workgroup has 128 threads and is for 64 rows, which share a state, and 16 vectors of columns; each thread takes 8 rows and one
// vector.

// [slices, queries, features].
@group(0) @binding(1) var<storage, read> query_features: array<vec4f>;
// [slices, chunks, features].
@group(0) @binding(2) var<storage, read> largest: array<vec4f>;
// [slices, chunks, 4 feature vectors, values + 1].
@group(0) @binding(3) var<storage, read> state: array<vec4f>;
// [slices, queries, values + 1].
@group(0) @binding(4) var<storage, read_write> low: array<vec4f>;

const ROWS: u32 = 64;
const COLUMNS: u32 = 16;
// Vectors of features at hand at a time.
const DEPTH: u32 = 4;

// [feature, 16 vectors of 4 rows]; at the end, parts of their masses.
var<workgroup> weight_tile: array<vec4f, 256>;
// [feature, 16 vectors].
var<workgroup> state_tile: array<vec4f, 256>;
// Of each row the largest of its terms, in two parts.
var<workgroup> most: array<f32, 128>;

@compute @workgroup_size(128)
fn read_state(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let blocks = (params.queries + ROWS - 1) / ROWS;
  let parts = (params.values + COLUMNS - 1) / COLUMNS;
  let first_column = index % parts * COLUMNS;
  let first = index / parts % blocks * ROWS;
  let slice = index / parts / blocks;

  // The first row sees the fewest keys, and the others take what it has.
  let chunks = (params.keys + params.chunk - 1) / params.chunk;
  var covered = params.table[slice].x;
  var chunk = chunks - 1;
  if CAUSAL {
    covered = low_rank_end(slice, first) / params.chunk * params.chunk;
    chunk = max(covered / params.chunk, 1) - 1;
  }
  let vectors = select(0, params.feature_vectors, covered > 0);
  let units = (slice * chunks + chunk) * params.feature_vectors;

  let half_row = first + thread / 2;
  var top = vec4f(LOWEST);
  if half_row < params.queries {
    let row = (slice * params.queries + half_row) * params.feature_vectors;
    for (var n = thread % 2; n < vectors; n += 2) {
      top = max(top, query_features[row + n] + largest[units + n]);
    }
  } else {
    top = vec4f();
  }
  most[thread] = max(max(top.x, top.y), max(top.z, top.w));
  workgroupBarrier();
  let four = thread % 16 * 4;
  var scale = vec4f();
  for (var n = 0u; n < 4; n++) {
    scale[n] = max(most[2 * (four + n)], most[2 * (four + n) + 1]);
  }

  let column = thread % 16;
  let eight = thread / 16;
  var mass = vec4f();
  var sums = array<vec4f, 8>();
  for (var depth = 0u; depth < vectors; depth += DEPTH) {
    workgroupBarrier();
    if thread < 64 {
      let at = depth + thread / 16;
      var by_feature = mat4x4f();
      if at < vectors {
        for (var n = 0u; n < 4; n++) {
          var row = vec4f();
          if first + four + n < params.queries {
            let start = (slice * params.queries + first + four + n) * params.feature_vectors;
            row = weights(query_features[start + at] + largest[units + at] - scale[n]);
          }
          by_feature[n] = row;
        }
        by_feature = transpose(by_feature);
        for (var c = 0u; c < 4; c++) {
          let row = units * 4 + at * 4 + c;
          mass += by_feature[c] * state[row * (params.values + 1) + params.values].x;
        }
      }
      for (var c = 0u; c < 4; c++) {
        weight_tile[(thread / 16 * 4 + c) * 16 + thread % 16] = by_feature[c];
      }
    } else {
      for (var n = thread - 64; n < 256; n += 64) {
        let feature = 4 * depth + n / 16;
        var value = vec4f();
        if feature < 4 * vectors && first_column + n % 16 < params.values {
          value = state[(units * 4 + feature) * (params.values + 1) + first_column + n % 16];
        }
        state_tile[n] = value;
      }
    }
    workgroupBarrier();
    for (var n = 0u; n < 4 * DEPTH; n++) {
      let value = state_tile[n * 16 + column];
      let even = weight_tile[n * 16 + eight * 2];
      let odd = weight_tile[n * 16 + eight * 2 + 1];
      sums[0] += even.x * value;
      sums[1] += even.y * value;
      sums[2] += even.z * value;
      sums[3] += even.w * value;
      sums[4] += odd.x * value;
      sums[5] += odd.y * value;
      sums[6] += odd.z * value;
      sums[7] += odd.w * value;
    }
  }

  for (var n = 0u; n < 8; n++) {
    let row = first + eight * 8 + n;
    if row < params.queries && first_column + column < params.values {
      low[(slice * params.queries + row) * (params.values + 1) + first_column + column] = sums[n];
    }
  }
  workgroupBarrier();
  if thread < 64 {
    weight_tile[thread] = mass;
  }
  workgroupBarrier();
  if thread < 16 && first_column == 0 {
    let total = weight_tile[thread] + weight_tile[thread + 16] + weight_tile[thread + 32] + weight_tile[thread + 48];
    for (var n = 0u; n < 4; n++) {
      let row = first + four + n;
      if row < params.queries {
        let last = (slice * params.queries + row) * (params.values + 1) + params.values;
        low[last] = vec4f(scale[n], total[n], f32(covered), 0.0);
      }
    }
  }
}
