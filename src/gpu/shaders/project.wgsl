// Logarithms of features: constant_r + w_r·x' - |x'|²/2, and what centring leaves a token as a weight.
//
// A workgroup has 128 threads and is for 64 tokens and 64 features; each thread takes 4 tokens and two vectors of features.

// Scaled queries or keys.
@group(0) @binding(1) var<storage, read> tokens: array<vec4f>;
// [slices, components + 1, features]: directions by component, then constants.
@group(0) @binding(2) var<storage, read> directions: array<vec4f>;
// [slices, queries and keys, 2 dim + 1]: the mean, the mean of the other side, factor and limit.
@group(0) @binding(3) var<storage, read> sides: array<vec4f>;
// [slices, tokens, features].
@group(0) @binding(4) var<storage, read_write> logs: array<vec4f>;

// Whether the tokens are keys.
override KEYS: bool = false;

const ROWS: u32 = 64;
// Vectors of features.
const COLUMNS: u32 = 16;
// Vectors of a token at hand at a time.
const DEPTH: u32 = 4;

// [component, 16 vectors of 4 tokens]; at the end, parts of what does not depend on the feature.
var<workgroup> token_tile: array<vec4f, 256>;
// [component, 16 vectors of 4 features].
var<workgroup> direction_tile: array<vec4f, 256>;

@compute @workgroup_size(128)
fn project(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let rows = select(params.queries, params.keys, KEYS);
  let blocks = (rows + ROWS - 1) / ROWS;
  let parts = (params.feature_vectors + COLUMNS - 1) / COLUMNS;
  let slice = index / (blocks * parts);
  let first = index / parts % blocks * ROWS;
  let first_column = index % parts * COLUMNS;
  // Where tokens begin, and how many of them are no padding.
  let start = select(slice, params.table[slice].y, KEYS) * rows;
  let used = select(rows, params.table[slice].x, KEYS);
  let own_directions = slice * (4 * params.dim + 1) * params.feature_vectors;
  let side = (2 * slice + select(0u, 1u, KEYS)) * (2 * params.dim + 1);
  let factor = sides[side + 2 * params.dim].x;
  let limit = vec4f(sides[side + 2 * params.dim].y);

  let own_column = thread % 8;
  let own_rows = thread / 8;
  var sums = array<vec4f, 8>();
  var square = vec4f();
  var log_weight = vec4f();
  for (var depth = 0u; depth < params.dim; depth += DEPTH) {
    workgroupBarrier();
    if thread < 64 {
      let at = depth + thread / 16;
      var block = mat4x4f();
      if at < params.dim {
        let mean = sides[side + at];
        let other = sides[side + params.dim + at];
        for (var n = 0u; n < 4; n++) {
          let row = first + thread % 16 * 4 + n;
          if row < used {
            let token = tokens[(start + row) * params.dim + at];
            let centred = token - mean;
            log_weight[n] += dot(other, select(token, centred, KEYS));
            let x = clamp(centred, -limit, limit) * factor;
            square[n] += dot(x, x);
            block[n] = x;
          }
        }
      }
      let by_component = transpose(block);
      for (var c = 0u; c < 4; c++) {
        token_tile[(thread / 16 * 4 + c) * 16 + thread % 16] = by_component[c];
      }
    } else {
      for (var n = thread - 64; n < 256; n += 64) {
        let component = 4 * depth + n / 16;
        let column = first_column + n % 16;
        var direction = vec4f();
        if component < 4 * params.dim && column < params.feature_vectors {
          direction = directions[own_directions + component * params.feature_vectors + column];
        }
        direction_tile[n] = direction;
      }
    }
    workgroupBarrier();
    for (var c = 0u; c < 4 * DEPTH; c++) {
      let x = token_tile[c * 16 + own_rows];
      let low = direction_tile[c * 16 + own_column];
      let high = direction_tile[c * 16 + own_column + 8];
      sums[0] += x.x * low;
      sums[1] += x.y * low;
      sums[2] += x.z * low;
      sums[3] += x.w * low;
      sums[4] += x.x * high;
      sums[5] += x.y * high;
      sums[6] += x.z * high;
      sums[7] += x.w * high;
    }
  }

  workgroupBarrier();
  if thread < 64 {
    token_tile[thread] = log_weight - 0.5 * square;
  }
  workgroupBarrier();
  var offset = vec4f();
  for (var n = 0u; n < 4; n++) {
    offset += token_tile[n * 16 + own_rows];
  }
  for (var n = 0u; n < 8; n++) {
    let row = first + own_rows * 4 + n % 4;
    let column = first_column + own_column + n / 4 * 8;
    if row < rows && column < params.feature_vectors {
      let constant = directions[own_directions + 4 * params.dim * params.feature_vectors + column];
      let sum = sums[n] + constant + offset[n % 4];
      logs[(slice * rows + row) * params.feature_vectors + column] = select(vec4f(NOTHING), sum, row < used);
    }
  }
}
