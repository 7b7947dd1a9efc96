// Rows of the low-rank part alone: what was read from the state, and the keys after it one by one, streamed like exact attention.
//
// A workgroup has 128 threads and is for 64 rows and 16 vectors of columns. For entries each thread takes 4 rows and 4 keys, for the
// output 8 rows and one vector.
//
// An entry is a product of features, exp(query + key) summed. Each side's are taken in units of that token's largest, so that no other
// token has a say in how they round. Where the two sides have nothing in common that survives this, logarithms are added first.

// [slices, queries, features] and [slices, keys, features].
@group(0) @binding(1) var<storage, read> query_features: array<vec4f>;
@group(0) @binding(2) var<storage, read> key_features: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// [slices, queries, values + 1].
@group(0) @binding(4) var<storage, read> low: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser.
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

const ROWS: u32 = 64;
const KEYS: u32 = 32;
const COLUMNS: u32 = 16;
// Vectors of features at hand at a time.
const DEPTH: u32 = 4;
// Terms that are 0 in f32 for being small cannot add up to a digit of what is larger than this.
const SMALL: f32 = 1.0e-25;

// In turns: features of rows [feature, 16 vectors of 4 rows] and of keys [feature, 8 vectors of 4 keys]; what threads found of a row;
// 16 values [key, 16 vectors].
var<workgroup> stage: array<vec4f, 384>;
const STAGE_KEYS: u32 = 256;
// [key, 16 vectors of 4 rows].
var<workgroup> weight_tile: array<vec4f, 512>;
// What was summed shrinks by this; at the end, the normaliser.
var<workgroup> shrink: array<vec4f, 16>;
// Parts of a token's largest feature.
var<workgroup> most: array<f32, 128>;

fn query_vector(slice: u32, query: u32, at: u32) -> vec4f {
  if query < params.queries && at < params.feature_vectors {
    return query_features[(slice * params.queries + query) * params.feature_vectors + at];
  }
  return vec4f(NOTHING);
}

fn key_vector(slice: u32, key: u32, at: u32) -> vec4f {
  if key < params.keys && at < params.feature_vectors {
    return key_features[(slice * params.keys + key) * params.feature_vectors + at];
  }
  return vec4f(NOTHING);
}

fn value_vector(slice: u32, key: u32, at: u32) -> vec4f {
  if key < params.table[slice].x && at < params.values {
    return v[(params.table[slice].y * params.keys + key) * params.values + at];
  }
  return vec4f();
}

fn low_vector(slice: u32, query: u32, at: u32) -> vec4f {
  if query < params.queries && at <= params.values {
    return low[(slice * params.queries + query) * (params.values + 1) + at];
  }
  return vec4f();
}

fn largest_of(x: vec4f) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

@compute @workgroup_size(128)
fn low_rank(
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

  // Entries: these four keys and rows.
  let own_keys = thread % 8;
  let own_rows = thread / 8;
  // Output: this vector of columns, and these eight rows.
  let column = thread % 16;
  let eight = thread / 16;

  let four = first + own_rows * 4;
  let covered = u32(low_vector(slice, first, params.values).z);
  let end = low_rank_end(slice, min(first + ROWS, params.queries) - 1);
  var largest = vec4f();
  var sum = vec4f();
  for (var n = 0u; n < 4; n++) {
    let row = low_vector(slice, four + n, params.values);
    largest[n] = row.x;
    sum[n] = select(0.0, row.y, own_keys == 0);
  }
  var output = array<vec4f, 8>();
  for (var n = 0u; n < 8; n++) {
    output[n] = low_vector(slice, first + eight * 8 + n, first_column + column);
  }

  // Of the four rows that a thread loads, and of its own.
  var load_most = vec4f();
  var row_most = vec4f();
  if covered < end {
    var top = vec4f(LOWEST);
    for (var at = thread % 2; at < params.feature_vectors; at += 2) {
      top = max(top, query_vector(slice, first + thread / 2, at));
    }
    most[thread] = largest_of(top);
    workgroupBarrier();
    for (var n = 0u; n < 4; n++) {
      let loaded = 2 * (thread % 16 * 4 + n);
      let row = 2 * (own_rows * 4 + n);
      load_most[n] = max(most[loaded], most[loaded + 1]);
      row_most[n] = max(most[row], most[row + 1]);
    }
  }

  for (var start = covered; start < end; start += KEYS) {
    var top = vec4f(LOWEST);
    for (var at = thread % 4; at < params.feature_vectors; at += 4) {
      top = max(top, key_vector(slice, start + thread / 4, at));
    }
    workgroupBarrier();
    most[thread] = largest_of(top);
    workgroupBarrier();
    // Of the four keys that a thread loads, which are also its own.
    var key_most = vec4f();
    for (var n = 0u; n < 4; n++) {
      let key = 4 * (own_keys * 4 + n);
      key_most[n] = max(max(most[key], most[key + 1]), max(most[key + 2], most[key + 3]));
    }

    var products = array<vec4f, 4>();
    for (var depth = 0u; depth < params.feature_vectors; depth += DEPTH) {
      workgroupBarrier();
      if thread < 64 {
        let at = depth + thread / 16;
        var block = mat4x4f();
        for (var n = 0u; n < 4; n++) {
          block[n] = weights(query_vector(slice, first + thread % 16 * 4 + n, at) - load_most[n]);
        }
        let by_feature = transpose(block);
        for (var c = 0u; c < 4; c++) {
          stage[(thread / 16 * 4 + c) * 16 + thread % 16] = by_feature[c];
        }
      } else if thread < 96 {
        let at = depth + (thread - 64) / 8;
        var block = mat4x4f();
        for (var n = 0u; n < 4; n++) {
          block[n] = weights(key_vector(slice, start + thread % 8 * 4 + n, at) - key_most[n]);
        }
        let by_feature = transpose(block);
        for (var c = 0u; c < 4; c++) {
          stage[STAGE_KEYS + ((thread - 64) / 8 * 4 + c) * 8 + thread % 8] = by_feature[c];
        }
      }
      workgroupBarrier();
      for (var c = 0u; c < 4 * DEPTH; c++) {
        let a = stage[c * 16 + own_rows];
        let b = stage[STAGE_KEYS + c * 8 + own_keys];
        products[0] += a * b.x;
        products[1] += a * b.y;
        products[2] += a * b.z;
        products[3] += a * b.w;
      }
    }

    let own_start = start + own_keys * 4;
    let seen = vec4u(
      low_rank_end(slice, four),
      low_rank_end(slice, four + 1),
      low_rank_end(slice, four + 2),
      low_rank_end(slice, four + 3),
    );
    var logs = array<vec4f, 4>();
    for (var c = 0u; c < 4; c++) {
      for (var n = 0u; n < 4; n++) {
        var entry = LOWEST;
        if own_start + c < seen[n] && four + n < params.queries {
          if products[c][n] > SMALL {
            entry = row_most[n] + key_most[c] + log(products[c][n]);
          } else {
            entry = log_entry(slice, four + n, own_start + c);
          }
        }
        logs[c][n] = entry;
      }
    }
    workgroupBarrier();
    stage[thread] = max(max(logs[0], logs[1]), max(logs[2], logs[3]));
    workgroupBarrier();
    var now = largest;
    for (var n = 0u; n < 8; n++) {
      now = max(now, stage[own_rows * 8 + n]);
    }
    let factor = weights(largest - now);
    sum *= factor;
    largest = now;
    if own_keys == 0 {
      shrink[own_rows] = factor;
    }
    for (var c = 0u; c < 4; c++) {
      let w = select(vec4f(), weights(logs[c] - largest), vec4u(own_start + c) < seen);
      weight_tile[(own_keys * 4 + c) * 16 + own_rows] = w;
      sum += w;
    }

    for (var half = 0u; half < KEYS; half += 16) {
      workgroupBarrier();
      for (var n = thread; n < 256; n += 128) {
        stage[n] = value_vector(slice, start + half + n / 16, first_column + n % 16);
      }
      workgroupBarrier();
      if half == 0 {
        let even = shrink[eight * 2];
        let odd = shrink[eight * 2 + 1];
        for (var n = 0u; n < 4; n++) {
          output[n] *= even[n];
          output[n + 4] *= odd[n];
        }
      }
      for (var n = 0u; n < 16; n++) {
        let value = stage[n * 16 + column];
        let even = weight_tile[(half + n) * 16 + eight * 2];
        let odd = weight_tile[(half + n) * 16 + eight * 2 + 1];
        output[0] += even.x * value;
        output[1] += even.y * value;
        output[2] += even.z * value;
        output[3] += even.w * value;
        output[4] += odd.x * value;
        output[5] += odd.y * value;
        output[6] += odd.z * value;
        output[7] += odd.w * value;
      }
    }
  }

  // Of each row eight threads have a part.
  workgroupBarrier();
  stage[thread] = sum;
  workgroupBarrier();
  if own_keys == 0 {
    var total = vec4f();
    for (var n = 0u; n < 8; n++) {
      total += stage[thread + n];
    }
    shrink[own_rows] = total;
    if first_column == 0 {
      for (var n = 0u; n < 4; n++) {
        if four + n < params.queries {
          let log_normalizer = select(LOWEST, largest[n] + log(max(total[n], 1.0e-30)), total[n] > 0.0);
          let row = (slice * params.queries + four + n) * (params.values + 1);
          out[row + params.values] = vec4f(log_normalizer, 0.0, 0.0, 0.0);
        }
      }
    }
  }
  workgroupBarrier();
  for (var n = 0u; n < 8; n++) {
    let query = first + eight * 8 + n;
    if query < params.queries && first_column + column < params.values {
      let total = shrink[eight * 2 + n / 4][n % 4];
      let row = (slice * params.queries + query) * (params.values + 1);
      out[row + first_column + column] = select(vec4f(), output[n] / max(total, 1.0e-30), total > 0.0);
    }
  }
}
