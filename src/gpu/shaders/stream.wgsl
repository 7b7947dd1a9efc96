// Streamed softmax: 32 keys at a time pass by 64 rows, whose running maximum, sum and output never leave the workgroup (Milakov and
// Gimelshein 2018; Dao et al. 2022). For shaders that bind `v` and `out`, say what the entries of a tile are, and which tokens its rows
// and columns: `query_id(slice, row)` and `key_id(slice, place)`, NONE where there is none.
//
// A workgroup has 128 threads. For entries each takes 4 rows and 4 keys, for the output 8 rows and a vector of columns; what they
// share is read from workgroup memory, a vector for every 8 to 11 multiply-adds. More than 64 columns are the work of several workgroups,
// which find the same entries again.

const NONE: u32 = 0xffffffff;
const ROWS: u32 = 64;
const KEYS: u32 = 32;
// Vectors of what entries are products of that are at hand at a time.
const DEPTH: u32 = 4;
// Vectors of values that a workgroup is for.
const COLUMNS: u32 = 16;

// In turns: factors of rows [component, 16 vectors of 4 rows] and of keys [component, 8 vectors of 4 keys]; what threads found of a
// row; 16 values [key, 16 vectors].
var<workgroup> stage: array<vec4f, 384>;
const STAGE_KEYS: u32 = 256;
// [key, 16 vectors of 4 rows].
var<workgroup> weight_tile: array<vec4f, 512>;
// What was summed shrinks by this; at the end, the normaliser.
var<workgroup> shrink: array<vec4f, 16>;

fn value_vector(slice: u32, place: u32, at: u32) -> vec4f {
  let key = key_id(slice, place);
  if key < params.table[slice].x && at < params.values {
    return v[(params.table[slice].y * params.keys + key) * params.values + at];
  }
  return vec4f();
}

// Puts four rows, as vectors of components, where threads of rows look for factors; `part` is which of the 64 such blocks.
fn stage_rows(part: u32, rows: mat4x4f) {
  let by_component = transpose(rows);
  for (var c = 0u; c < 4; c++) {
    stage[(part / 16 * 4 + c) * 16 + part % 16] = by_component[c];
  }
}

// The same of four keys, of 32 blocks.
fn stage_keys(part: u32, keys: mat4x4f) {
  let by_component = transpose(keys);
  for (var c = 0u; c < 4; c++) {
    stage[STAGE_KEYS + (part / 8 * 4 + c) * 8 + part % 8] = by_component[c];
  }
}

// Adds the products of what is in the stage, by key.
fn add_products(thread: u32, products: ptr<function, array<vec4f, 4>>) {
  for (var c = 0u; c < 4 * DEPTH; c++) {
    let a = stage[c * 16 + thread / 8];
    let b = stage[STAGE_KEYS + c * 8 + thread % 8];
    (*products)[0] += a * b.x;
    (*products)[1] += a * b.y;
    (*products)[2] += a * b.z;
    (*products)[3] += a * b.w;
  }
}

// The maxima of a thread's rows with a new tile, of which it has `own`.
fn raised(thread: u32, largest: vec4f, own: vec4f) -> vec4f {
  workgroupBarrier();
  stage[thread] = own;
  workgroupBarrier();
  var now = largest;
  for (var n = 0u; n < 8; n++) {
    now = max(now, stage[thread / 8 * 8 + n]);
  }
  return now;
}

// The sum over the eight threads that have a part of the same rows.
fn total_of(thread: u32, own: vec4f) -> vec4f {
  workgroupBarrier();
  stage[thread] = own;
  workgroupBarrier();
  var total = vec4f();
  for (var n = 0u; n < 8; n++) {
    total += stage[thread / 8 * 8 + n];
  }
  return total;
}

// Shrinks what was summed, and adds the values of keys from `start` on by the weights of the tile.
fn add_values(thread: u32, slice: u32, start: u32, first_column: u32, output: ptr<function, array<vec4f, 8>>) {
  let column = thread % 16;
  let eight = thread / 16;
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
        (*output)[n] *= low[n];
        (*output)[n + 4] *= high[n];
      }
    }
    for (var n = 0u; n < 16; n++) {
      let value = stage[n * 16 + column];
      let low = weight_tile[(half + n) * 16 + eight * 2];
      let high = weight_tile[(half + n) * 16 + eight * 2 + 1];
      (*output)[0] += low.x * value;
      (*output)[1] += low.y * value;
      (*output)[2] += low.z * value;
      (*output)[3] += low.w * value;
      (*output)[4] += high.x * value;
      (*output)[5] += high.y * value;
      (*output)[6] += high.z * value;
      (*output)[7] += high.w * value;
    }
  }
}

// Writes the rows from `first` on: the output over the sum of the weights, and beside it the logarithm of the normaliser and what else
// there is to say of each row of this thread.
fn write_rows(
  thread: u32,
  slice: u32,
  first: u32,
  first_column: u32,
  largest: vec4f,
  total: vec4f,
  besides: vec4f,
  output: ptr<function, array<vec4f, 8>>,
) {
  let stride = params.values + 1;
  if thread % 8 == 0 {
    shrink[thread / 8] = total;
    for (var n = 0u; n < 4; n++) {
      let row = first + thread / 8 * 4 + n;
      if row < params.queries && first_column == 0 {
        let normalizer = select(LOWEST, largest[n] + log(max(total[n], 1.0e-30)), total[n] > 0.0);
        out[(slice * params.queries + row) * stride + params.values] = vec4f(normalizer, besides[n], 0.0, 0.0);
      }
    }
  }
  workgroupBarrier();
  let column = first_column + thread % 16;
  for (var n = 0u; n < 8; n++) {
    let row = first + thread / 16 * 8 + n;
    if row < params.queries && column < params.values {
      let sum = shrink[thread / 16 * 2 + n / 4][n % 4];
      let mean = select(vec4f(), (*output)[n] / max(sum, 1.0e-30), sum > 0.0);
      out[(slice * params.queries + row) * stride + column] = mean;
    }
  }
}
