// Rows with a hashed support, not causal: a tile is 64 queries that lie together in the order of a round's groups, and the keys of their
// groups, 32 at a time. A key that an earlier round has is passed over, so that the union counts it once.
//
// Each round leaves what it found of a row, which `merge.wgsl` puts together.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> lists: array<u32>;
// Logarithms of features, and the low-rank sums; without features anything.
@group(0) @binding(5) var<storage, read> query_features: array<vec4f>;
@group(0) @binding(6) var<storage, read> key_features: array<vec4f>;
@group(0) @binding(7) var<storage, read> low: array<vec4f>;
// [slices, rounds, queries, values + 1]: the weighted values; then the largest logarithm, whose exp is the unit of these and of the sum of
// exact entries, that sum, the low-rank entries taken out, in the units of their own sums, and how many keys there were.
@group(0) @binding(8) var<storage, read_write> out: array<vec4f>;

// Of the tile: its queries, where the keys of each lie in the order, and where all of them; and the keys at hand.
var<workgroup> query_ids: array<u32, 64>;
var<workgroup> ranges: array<vec2u, 64>;
var<workgroup> reach: vec2u;
var<workgroup> key_ids: array<u32, 32>;

fn query_id(slice: u32, row: u32) -> u32 {
  return query_ids[row % ROWS];
}

fn key_id(slice: u32, place: u32) -> u32 {
  return key_ids[place % KEYS];
}

fn range_of(slice: u32, round: u32, query: u32) -> vec2u {
  let group = starts_of(slice, round) + lists[groups_of(slice, round) + query];
  return vec2u(lists[group], lists[group + 1]);
}

// Whether one of the first `rounds` has the key in the query's group.
fn is_listed(slice: u32, rounds: u32, query: u32, key: u32) -> bool {
  for (var round = 0u; round < rounds; round++) {
    let range = range_of(slice, round, query);
    let place = lists[places_of(slice, round) + key];
    if place >= range.x && place < range.y {
      return true;
    }
  }
  return false;
}

@compute @workgroup_size(128)
fn tiles(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let blocks = (params.queries + ROWS - 1) / ROWS;
  let strips = (params.values + COLUMNS - 1) / COLUMNS;
  let first_column = index % strips * COLUMNS;
  let first = index / strips % blocks * ROWS;
  let round = index / strips / blocks % params.rounds;
  let slice = index / strips / blocks / params.rounds;

  if thread < ROWS {
    var query = NONE;
    var range = vec2u();
    if first + thread < params.queries {
      query = lists[queries_of(slice, round) + first + thread];
      range = range_of(slice, round, query);
    }
    query_ids[thread] = query;
    ranges[thread] = range;
  }
  workgroupBarrier();
  if thread == 0 {
    var all = vec2u(NONE, 0);
    for (var n = 0u; n < ROWS; n++) {
      if ranges[n].x < ranges[n].y {
        all = vec2u(min(all.x, ranges[n].x), max(all.y, ranges[n].y));
      }
    }
    reach = all;
  }
  let all = workgroupUniformLoad(&reach);

  var unit = vec4f();
  var row_most = array<vec4f, 2>();
  if params.features > 0 {
    row_most = most_of_rows(thread, slice, first);
    for (var n = 0u; n < 4; n++) {
      let query = query_id(slice, thread / 8 * 4 + n);
      if query < params.queries {
        unit[n] = low[(slice * params.queries + query) * (params.values + 1) + params.values].x;
      }
    }
  }

  var largest = vec4f(LOWEST);
  var sum = vec4f();
  var removed = vec4f();
  var listed = vec4f();
  var output = array<vec4f, 8>();
  for (var start = all.x / KEYS * KEYS; start < all.y; start += KEYS) {
    workgroupBarrier();
    if thread < KEYS {
      let place = start + thread;
      var key = NONE;
      if place >= all.x && place < all.y {
        key = lists[keys_of(slice, round) + place];
      }
      key_ids[thread] = key;
    }
    workgroupBarrier();
    var logits = tile_logits(thread, slice, first, start);
    var entries = array(vec4f(LOWEST), vec4f(LOWEST), vec4f(LOWEST), vec4f(LOWEST));
    if params.features > 0 {
      entries = tile_entries(thread, slice, first, start, row_most);
    }

    var most = vec4f(LOWEST);
    var counts = array<vec4f, 4>();
    for (var c = 0u; c < 4; c++) {
      let place = start + thread % 8 * 4 + c;
      for (var n = 0u; n < 4; n++) {
        let row = thread / 8 * 4 + n;
        let is_in = place >= ranges[row].x && place < ranges[row].y;
        if is_in && !is_listed(slice, round, query_ids[row], key_ids[place % KEYS]) {
          counts[c][n] = 1.0;
        }
      }
      logits[c] = select(vec4f(LOWEST), logits[c], counts[c] > vec4f());
      entries[c] = select(vec4f(LOWEST), entries[c], counts[c] > vec4f());
      most = max(most, max(logits[c], entries[c]));
    }
    let now = raised(thread, largest, most);
    let factor = weights(largest - now);
    sum *= factor;
    largest = now;
    if thread % 8 == 0 {
      shrink[thread / 8] = factor;
    }
    for (var c = 0u; c < 4; c++) {
      let exact = counts[c] * weights(logits[c] - largest);
      let is_low = entries[c] > vec4f(LOWEST);
      let low_rank = select(vec4f(), weights(entries[c] - largest), is_low);
      weight_tile[(thread % 8 * 4 + c) * 16 + thread / 8] = exact - low_rank;
      sum += exact;
      listed += counts[c];
      // Rounding aside no entry is more than their sum.
      removed += select(vec4f(), exp(clamp(entries[c] - unit, vec4f(-120.0), vec4f(60.0))), is_low);
    }
    add_values(thread, slice, start, first_column, &output);
  }

  sum = total_of(thread, sum);
  removed = total_of(thread, removed);
  listed = total_of(thread, listed);
  let rows = (slice * params.rounds + round) * params.queries;
  if thread % 8 == 0 && first_column == 0 {
    for (var n = 0u; n < 4; n++) {
      let query = query_ids[thread / 8 * 4 + n];
      if query < params.queries {
        let found = vec4f(largest[n], sum[n], removed[n], listed[n]);
        out[(rows + query) * (params.values + 1) + params.values] = found;
      }
    }
  }
  let column = first_column + thread % 16;
  for (var n = 0u; n < 8; n++) {
    let query = query_ids[thread / 16 * 8 + n];
    if query < params.queries && column < params.values {
      out[(rows + query) * (params.values + 1) + column] = output[n];
    }
  }
}
