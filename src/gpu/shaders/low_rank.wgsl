// Rows of the low-rank part alone: what was read from the state, and the keys after it one by one.

// [slices, queries, features] and [slices, keys, features].
@group(0) @binding(1) var<storage, read> query_features: array<vec4f>;
@group(0) @binding(2) var<storage, read> key_features: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// [slices, queries, values + 1].
@group(0) @binding(4) var<storage, read> low: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser.
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

fn query_id(slice: u32, row: u32) -> u32 {
  return select(NONE, row, row < params.queries);
}

fn key_id(slice: u32, place: u32) -> u32 {
  return select(NONE, place, place < params.keys);
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
    row_most = most_of_rows(thread, slice, first);
  }

  for (var start = covered; start < end; start += KEYS) {
    var logs = tile_entries(thread, slice, first, start, row_most);
    let own_start = start + thread % 8 * 4;
    for (var c = 0u; c < 4; c++) {
      logs[c] = select(vec4f(LOWEST), logs[c], vec4u(own_start + c) < seen);
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
