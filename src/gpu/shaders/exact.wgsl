// Softmax attention, streamed: 32 keys at a time pass by 64 queries, whose running maximum, sum and output never leave the
// workgroup (Milakov and Gimelshein 2018; Dao et al. 2022).
//
// A workgroup has 128 threads. For the logits each takes 4 queries and 4 keys, for the output 8 queries and 4 columns of the
// values; what they share is read from workgroup memory, a vector for every 8 to 11 multiply-adds. More than 64 columns are the work of
// several workgroups, which find the same logits again.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser and its entropy.
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

// Whether entropies are wanted.
override ENTROPY: bool = false;

const QUERIES: u32 = 64;
const KEYS: u32 = 32;
// Vectors of queries and keys at hand at a time.
const DEPTH: u32 = 4;
// Vectors of values that a workgroup is for.
const COLUMNS: u32 = 16;

// In turns: queries [component, 16 vectors of 4 queries] and keys [component, 8 vectors of 4 keys]; what threads found of a row;
// 16 values [key, 16 vectors].
var<workgroup> stage: array<vec4f, 384>;
const STAGE_KEYS: u32 = 256;
// [key, 16 vectors of 4 queries].
var<workgroup> weight_tile: array<vec4f, 512>;
// What was summed shrinks by this; at the end, the normaliser.
var<workgroup> shrink: array<vec4f, 16>;

// Four rows become columns.
fn transpose4(a: vec4f, b: vec4f, c: vec4f, d: vec4f) -> mat4x4f {
  return transpose(mat4x4f(a, b, c, d));
}

fn query_vector(slice: u32, query: u32, at: u32) -> vec4f {
  if query < params.queries && at < params.dim {
    return q[(slice * params.queries + query) * params.dim + at];
  }
  return vec4f();
}

fn key_vector(slice: u32, key: u32, at: u32) -> vec4f {
  if key < params.table[slice].x && at < params.dim {
    return k[(params.table[slice].y * params.keys + key) * params.dim + at];
  }
  return vec4f();
}

fn value_vector(slice: u32, key: u32, at: u32) -> vec4f {
  if key < params.table[slice].x && at < params.values {
    return v[(params.table[slice].y * params.keys + key) * params.values + at];
  }
  return vec4f();
}

@compute @workgroup_size(128)
fn exact(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let blocks = (params.queries + QUERIES - 1) / QUERIES;
  let parts = (params.values + COLUMNS - 1) / COLUMNS;
  let slice = index / (blocks * parts);
  let first_column = index % parts * COLUMNS;
  let first = index / parts % blocks * QUERIES;

  // Logits: these four queries and keys.
  let own_keys = thread % 8;
  let own_queries = thread / 8;
  // Output: this vector of columns, and these eight queries.
  let column = thread % 16;
  let eight = thread / 16;

  var largest = vec4f(LOWEST);
  var sum = vec4f();
  var moment = vec4f();
  var output = array<vec4f, 8>();

  let end = visible(slice, min(first + QUERIES, params.queries) - 1);
  for (var start = 0u; start < end; start += KEYS) {
    // Said, though it is the default: Chromium 156 on SwiftShader would keep what the last turn of the loop left.
    var logits = array<vec4f, 4>();
    for (var depth = 0u; depth < params.dim; depth += DEPTH) {
      workgroupBarrier();
      if thread < 64 {
        let at = depth + thread / 16;
        let four = first + thread % 16 * 4;
        let block = transpose4(
          query_vector(slice, four, at),
          query_vector(slice, four + 1, at),
          query_vector(slice, four + 2, at),
          query_vector(slice, four + 3, at),
        );
        for (var c = 0u; c < 4; c++) {
          stage[(thread / 16 * 4 + c) * 16 + thread % 16] = block[c];
        }
      } else if thread < 96 {
        let at = depth + (thread - 64) / 8;
        let four = start + thread % 8 * 4;
        let block = transpose4(
          key_vector(slice, four, at),
          key_vector(slice, four + 1, at),
          key_vector(slice, four + 2, at),
          key_vector(slice, four + 3, at),
        );
        for (var c = 0u; c < 4; c++) {
          stage[STAGE_KEYS + ((thread - 64) / 8 * 4 + c) * 8 + thread % 8] = block[c];
        }
      }
      workgroupBarrier();
      for (var c = 0u; c < 4 * DEPTH; c++) {
        let a = stage[c * 16 + own_queries];
        let b = stage[STAGE_KEYS + c * 8 + own_keys];
        logits[0] += a.x * b;
        logits[1] += a.y * b;
        logits[2] += a.z * b;
        logits[3] += a.w * b;
      }
    }

    // From here on by key, so that vectors run over queries.
    let own_start = start + own_keys * 4;
    var by_key = transpose4(logits[0], logits[1], logits[2], logits[3]);
    let four = first + own_queries * 4;
    let seen = vec4u(visible(slice, four), visible(slice, four + 1), visible(slice, four + 2), visible(slice, four + 3));
    for (var c = 0u; c < 4; c++) {
      by_key[c] = select(vec4f(LOWEST), by_key[c], vec4u(own_start + c) < seen);
    }
    workgroupBarrier();
    stage[thread] = max(max(by_key[0], by_key[1]), max(by_key[2], by_key[3]));
    workgroupBarrier();
    var now = largest;
    for (var n = 0u; n < 8; n++) {
      now = max(now, stage[own_queries * 8 + n]);
    }
    let drop = largest - now;
    let factor = weights(drop);
    if ENTROPY {
      moment = select(vec4f(), factor * (moment + drop * sum), factor > vec4f());
    }
    sum *= factor;
    largest = now;
    if own_keys == 0 {
      shrink[own_queries] = factor;
    }
    for (var c = 0u; c < 4; c++) {
      let less = by_key[c] - largest;
      let w = select(vec4f(), weights(less), vec4u(own_start + c) < seen);
      weight_tile[(own_keys * 4 + c) * 16 + own_queries] = w;
      sum += w;
      if ENTROPY {
        moment += select(vec4f(), w * less, w > vec4f());
      }
    }

    for (var half = 0u; half < KEYS; half += 16) {
      workgroupBarrier();
      for (var n = thread; n < 256; n += 128) {
        stage[n] = value_vector(slice, start + half + n / 16, first_column + n % 16);
      }
      workgroupBarrier();
      if half == 0 {
        let low = shrink[eight * 2];
        let high = shrink[eight * 2 + 1];
        for (var n = 0u; n < 4; n++) {
          output[n] *= low[n];
          output[n + 4] *= high[n];
        }
      }
      for (var n = 0u; n < 16; n++) {
        let value = stage[n * 16 + column];
        let low = weight_tile[(half + n) * 16 + eight * 2];
        let high = weight_tile[(half + n) * 16 + eight * 2 + 1];
        output[0] += low.x * value;
        output[1] += low.y * value;
        output[2] += low.z * value;
        output[3] += low.w * value;
        output[4] += high.x * value;
        output[5] += high.y * value;
        output[6] += high.z * value;
        output[7] += high.w * value;
      }
    }
  }

  // Of each row eight threads have a part.
  workgroupBarrier();
  stage[thread] = sum;
  stage[128 + thread] = moment;
  workgroupBarrier();
  if own_keys == 0 {
    var total = vec4f();
    var moments = vec4f();
    for (var n = 0u; n < 8; n++) {
      total += stage[thread + n];
      moments += stage[128 + thread + n];
    }
    shrink[own_queries] = total;
    if first_column == 0 {
      for (var n = 0u; n < 4; n++) {
        let query = first + own_queries * 4 + n;
        if query < params.queries {
          var row = vec4f(LOWEST, 0.0, 0.0, 0.0);
          if total[n] > 0.0 {
            row = vec4f(largest[n] + log(total[n]), max(log(total[n]) - moments[n] / total[n], 0.0), 0.0, 0.0);
          }
          out[(slice * params.queries + query) * (params.values + 1) + params.values] = row;
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
      out[row + first_column + column] = select(vec4f(), output[n] / total, total > 0.0);
    }
  }
}
