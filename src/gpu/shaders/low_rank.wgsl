// Rows of the low-rank part alone: what was read from the state, and the keys after it one by one.
<<<<<<< HEAD
//
// An entry is a product of features, exp(query + key) summed. Each side's are taken in units of that token's largest, so that no other
// token has a say in how they round. Where the two sides have nothing in common that survives this, logarithms are added first.
=======
>>>>>>> 0d3b96e9d0a234cc2ba0a4f83c7f165af5d615bc

// [slices, queries, features] and [slices, keys, features].
@group(0) @binding(1) var<storage, read> query_features: array<vec4f>;
@group(0) @binding(2) var<storage, read> key_features: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// [slices, queries, values + 1].
@group(0) @binding(4) var<storage, read> low: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser.
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

<<<<<<< HEAD
// Terms that are 0 in f32 for being small cannot add up to a digit of what is larger than this.
const SMALL: f32 = 1.0e-25;

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
=======
fn query_id(slice: u32, row: u32) -> u32 {
  return select(NONE, row, row < params.queries);
}

fn key_id(slice: u32, place: u32) -> u32 {
  return select(NONE, place, place < params.keys);
>>>>>>> 0d3b96e9d0a234cc2ba0a4f83c7f165af5d615bc
}

fn low_vector(slice: u32, query: u32, at: u32) -> vec4f {
  if query < params.queries && at <= params.values {
    return low[(slice * params.queries + query) * (params.values + 1) + at];
  }
  return vec4f();
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
  // The four rows that this thread has entries of, and how many keys they take.
  let four = first + thread / 8 * 4;
  let seen = vec4u(
    low_rank_end(slice, four),
    low_rank_end(slice, four + 1),
    low_rank_end(slice, four + 2),
    low_rank_end(slice, four + 3),
  );

  let covered = u32(low_vector(slice, first, params.values).z);
  let end = low_rank_end(slice, min(first + ROWS, params.queries) - 1);
  var largest = vec4f();
  var sum = vec4f();
  for (var n = 0u; n < 4; n++) {
    let row = low_vector(slice, four + n, params.values);
    largest[n] = row.x;
    sum[n] = select(0.0, row.y, thread % 8 == 0);
  }
  var output = array<vec4f, 8>();
  for (var n = 0u; n < 8; n++) {
    output[n] = low_vector(slice, first + thread / 16 * 8 + n, first_column + thread % 16);
  }

  var row_most = array<vec4f, 2>();
  if covered < end {
<<<<<<< HEAD
    var top = vec4f(LOWEST);
    for (var at = thread % 2; at < params.feature_vectors; at += 2) {
      top = max(top, query_vector(slice, first + thread / 2, at));
    }
    most[thread] = largest_of(top);
    workgroupBarrier();
    for (var n = 0u; n < 4; n++) {
      let loaded = 2 * (thread % 16 * 4 + n);
      let row = 2 * (thread / 8 * 4 + n);
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
      let key = 4 * (thread % 8 * 4 + n);
      key_most[n] = max(max(most[key], most[key + 1]), max(most[key + 2], most[key + 3]));
    }

    var products = array<vec4f, 4>();
    for (var depth = 0u; depth < params.feature_vectors; depth += DEPTH) {
      workgroupBarrier();
      if thread < 64 {
        var block = mat4x4f();
        for (var n = 0u; n < 4; n++) {
          let row = query_vector(slice, first + thread % 16 * 4 + n, depth + thread / 16);
          block[n] = weights(row - load_most[n]);
        }
        stage_rows(thread, block);
      } else if thread < 96 {
        var block = mat4x4f();
        for (var n = 0u; n < 4; n++) {
          let key = key_vector(slice, start + thread % 8 * 4 + n, depth + (thread - 64) / 8);
          block[n] = weights(key - key_most[n]);
        }
        stage_keys(thread - 64, block);
      }
      workgroupBarrier();
      add_products(thread, &products);
    }

    let own_start = start + thread % 8 * 4;
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
=======
    row_most = most_of_rows(thread, slice, first);
  }

  for (var start = covered; start < end; start += KEYS) {
    var logs = tile_entries(thread, slice, first, start, row_most);
    let own_start = start + thread % 8 * 4;
    for (var c = 0u; c < 4; c++) {
      logs[c] = select(vec4f(LOWEST), logs[c], vec4u(own_start + c) < seen);
>>>>>>> 0d3b96e9d0a234cc2ba0a4f83c7f165af5d615bc
    }
    let now = raised(thread, largest, max(max(logs[0], logs[1]), max(logs[2], logs[3])));
    let factor = weights(largest - now);
    sum *= factor;
    largest = now;
    if thread % 8 == 0 {
      shrink[thread / 8] = factor;
    }
    for (var c = 0u; c < 4; c++) {
      let w = select(vec4f(), weights(logs[c] - largest), vec4u(own_start + c) < seen);
      weight_tile[(thread % 8 * 4 + c) * 16 + thread / 8] = w;
      sum += w;
    }
    add_values(thread, slice, start, first_column, &output);
  }

  let total = total_of(thread, sum);
  write_rows(thread, slice, first, first_column, largest, total, vec4f(), &output);
}
