// Rows with a support, alone or with a low-rank part: each is made by a workgroup, from lists of keys that it goes through one after
// the other. (Where many rows share their lists, `tiles.wgsl` is faster.) A key that was in an earlier list is passed over, so that a union counts it once.
//
// Beside a low-rank part a key of the support adds its exact entry and takes its low-rank one out of the sum over all keys. Where
// that difference would drown in the rounding of the sum, the row is marked, and made again from single entries of all keys by a
// second stage, which is this shader with CAREFUL.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// Of hashed tokens as `lists.wgsl` has it; of an explicit support where each row starts, then its keys.
@group(0) @binding(4) var<storage, read> lists: array<u32>;
// Logarithms of features, and the low-rank sums; without features anything.
@group(0) @binding(5) var<storage, read> query_features: array<vec4f>;
@group(0) @binding(6) var<storage, read> key_features: array<vec4f>;
@group(0) @binding(7) var<storage, read> low: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser, its keys in the support, and whether it is marked.
@group(0) @binding(8) var<storage, read_write> out: array<vec4f>;

override CAREFUL: bool = false;

// What a list is, as in params.extra.x.
const BAND: u32 = 0;
const HASHED: u32 = 1;

const THREADS: u32 = 64;
// Keys at hand at a time, and those of a thread.
const KEYS: u32 = 256;
const OWN: u32 = 4;
// Vectors of values that a thread has at most.
const COLUMNS: u32 = 4;

// The row at hand: its place among all rows, its slice, how many keys it sees, and how many of them the low-rank sums have.
struct Row {
  index: u32,
  slice: u32,
  query: u32,
  kv: u32,
  seen: u32,
  covered: u32,
}

// Places in each list that the row goes through; the last one is of single low-rank entries.
var<workgroup> ranges: array<vec2u, 65>;
var<workgroup> marked: u32;
// Keys at hand and what their values weigh.
var<workgroup> at_hand: array<u32, 256>;
var<workgroup> factors: array<f32, 256>;
var<workgroup> partial: array<f32, 64>;
var<workgroup> eighths: array<f32, 8>;
var<workgroup> sums: array<vec4f, 64>;

// Places in list `round` of the keys that the row sees.
fn range_of(row: Row, round: u32) -> vec2u {
  if round == params.rounds {
    if CAREFUL {
      return vec2u(0, row.seen);
    }
    return select(vec2u(), vec2u(row.covered, low_rank_end(row.slice, row.query)), params.features > 0);
  }
  if params.extra.x == BAND {
    var start = row.query - min(row.query, params.size / 2);
    var end = row.query + (params.size + 1) / 2;
    if CAUSAL {
      start = row.query + 1 - min(row.query + 1, params.size);
      end = row.query + 1;
    }
    return min(vec2u(start, end), vec2u(row.seen));
  }
  var start = 0u;
  var end = 0u;
  if params.extra.x == HASHED {
    let group = starts_of(row.slice, round) + lists[groups_of(row.slice, round) + row.query];
    start = lists[group];
    end = lists[group + 1];
  } else {
    let place = select(row.index, row.query, params.extra.y == 1);
    start = lists[place];
    end = lists[place + 1];
  }
  if CAUSAL || params.extra.x != HASHED {
    end = first_from(row, round, vec2u(start, end), row.seen);
  }
  return vec2u(max(start, end - min(end, params.latest)), end);
}

// The key at a place of a list.
fn key_at(row: Row, round: u32, place: u32) -> u32 {
  if round == params.rounds || params.extra.x == BAND {
    return place;
  }
  if params.extra.x == HASHED {
    return lists[keys_of(row.slice, round) + place];
  }
  return lists[place];
}

// Where in a range of ascending keys those from `key` on start.
fn first_from(row: Row, round: u32, range: vec2u, key: u32) -> u32 {
  var start = range.x;
  var end = range.y;
  while start < end {
    let middle = (start + end) / 2;
    if key_at(row, round, middle) < key {
      start = middle + 1;
    } else {
      end = middle;
    }
  }
  return start;
}

// Whether one of the first `rounds` lists has the key.
fn is_listed(row: Row, rounds: u32, key: u32) -> bool {
  for (var round = 0u; round < rounds; round++) {
    let range = ranges[round];
    var place = key;
    if params.extra.x == HASHED {
      place = lists[places_of(row.slice, round) + key];
    } else if params.extra.x != BAND {
      place = first_from(row, round, range, key);
      if place < range.y && lists[place] != key {
        continue;
      }
    }
    if place >= range.x && place < range.y {
      return true;
    }
  }
  return false;
}

fn logit(row: Row, key: u32) -> f32 {
  let a = row.index * params.dim;
  let b = (row.kv * params.keys + key) * params.dim;
  var sum = vec4f();
  for (var n = 0u; n < params.dim; n++) {
    sum += q[a + n] * k[b + n];
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

// The logarithms of the exact entry of a key and of its low-rank one, where they count.
fn entry(row: Row, round: u32, key: u32) -> vec2f {
  let listed = is_listed(row, round, key);
  if round < params.rounds {
    if listed {
      return vec2f(LOWEST);
    }
    var low_rank = LOWEST;
    if key < row.covered {
      low_rank = log_entry(row.slice, row.query, key);
    }
    return vec2f(logit(row, key), low_rank);
  }
  if !listed {
    return vec2f(LOWEST, log_entry(row.slice, row.query, key));
  }
  if CAREFUL {
    return vec2f(logit(row, key), LOWEST);
  }
  return vec2f(LOWEST);
}

// The largest of what the threads bring.
fn largest_of(thread: u32, x: f32) -> f32 {
  partial[thread] = x;
  workgroupBarrier();
  if thread < 8 {
    var most = partial[thread];
    for (var n = thread + 8; n < THREADS; n += 8) {
      most = max(most, partial[n]);
    }
    eighths[thread] = most;
  }
  workgroupBarrier();
  var most = eighths[0];
  for (var n = 1u; n < 8; n++) {
    most = max(most, eighths[n]);
  }
  return most;
}

fn sum_of(thread: u32, x: f32) -> f32 {
  partial[thread] = x;
  workgroupBarrier();
  if thread < 8 {
    var sum = partial[thread];
    for (var n = thread + 8; n < THREADS; n += 8) {
      sum += partial[n];
    }
    eighths[thread] = sum;
  }
  workgroupBarrier();
  var sum = eighths[0];
  for (var n = 1u; n < 8; n++) {
    sum += eighths[n];
  }
  return sum;
}

@compute @workgroup_size(64)
fn rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let slice = index / params.queries;
  let query = index % params.queries;
  var row = Row(index, slice, query, params.table[slice].y, visible(slice, query), 0);
  let place = index * (params.values + 1);
  if CAREFUL {
    if thread == 0 {
      marked = u32(out[place + params.values].w);
    }
    if workgroupUniformLoad(&marked) == 0 {
      return;
    }
  }

  var largest = LOWEST;
  // Mass of the low-rank sums in units of exp(unit).
  var mass = 0.0;
  var unit = LOWEST;
  if !CAREFUL && params.features > 0 {
    let about = low[place + params.values];
    row.covered = u32(about.z);
    if row.covered > 0 {
      unit = about.x;
      mass = about.y;
      largest = unit;
    }
  }
  for (var round = thread; round <= params.rounds; round += THREADS) {
    ranges[round] = range_of(row, round);
  }

  // As many threads as there are vectors of values share a key; the others take other keys.
  var width = 1u;
  while width < min(params.values, THREADS) {
    width *= 2;
  }
  let column = thread % width;
  let columns = (params.values + THREADS - 1) / THREADS;
  var output = array<vec4f, COLUMNS>();

  var sum = 0.0;
  // Of low-rank entries on the support, in units of exp(unit).
  var removed = 0.0;
  var listed = 0.0;
  for (var round = select(0, params.rounds, CAREFUL); round <= params.rounds; round++) {
    let range = workgroupUniformLoad(&ranges[round]);
    for (var start = range.x; start < range.y; start += KEYS) {
      let keys = min(KEYS, range.y - start);
      var logs = array<vec2f, OWN>();
      var own = LOWEST;
      for (var n = 0u; n < OWN; n++) {
        let at = n * THREADS + thread;
        logs[n] = vec2f(LOWEST);
        if at < keys {
          let key = key_at(row, round, start + at);
          logs[n] = entry(row, round, key);
          at_hand[at] = key;
        }
        own = max(own, max(logs[n].x, logs[n].y));
      }
      let now = max(largest, largest_of(thread, own));
      let shrink = weight(largest - now);
      largest = now;
      sum *= shrink;
      for (var n = 0u; n < OWN; n++) {
        let is_exact = logs[n].x > LOWEST;
        let is_low = logs[n].y > LOWEST;
        let exact = select(0.0, weight(logs[n].x - largest), is_exact);
        let low_rank = select(0.0, weight(logs[n].y - largest), is_low);
        factors[n * THREADS + thread] = select(low_rank, exact - low_rank, is_exact);
        sum += select(low_rank, exact, is_exact);
        listed += select(0.0, 1.0, is_exact);
        if is_exact && is_low {
          // Rounding aside no entry is more than their sum.
          removed += exp(clamp(logs[n].y - unit, -120.0, 60.0));
        }
      }
      workgroupBarrier();
      for (var c = 0u; c < columns; c++) {
        output[c] *= shrink;
      }
      for (var n = thread / width; n < keys; n += THREADS / width) {
        let value = (row.kv * params.keys + at_hand[n]) * params.values + column;
        let factor = factors[n];
        for (var c = 0u; c < columns; c++) {
          if column + c * THREADS < params.values {
            output[c] += factor * v[value + c * THREADS];
          }
        }
      }
    }
  }

  workgroupBarrier();
  sum = sum_of(thread, sum);
  workgroupBarrier();
  removed = sum_of(thread, removed);
  workgroupBarrier();
  listed = sum_of(thread, listed);
  let scale = weight(unit - largest);
  let drowned = is_drowned(mass, removed, sum, scale);
  let all = listed == f32(row.seen);
  let total = sum + (mass - removed) * scale;
  for (var c = 0u; c < columns; c++) {
    workgroupBarrier();
    sums[thread] = output[c];
    workgroupBarrier();
    let own = column + c * THREADS;
    if thread < width && own < params.values {
      var value = vec4f();
      for (var n = thread; n < THREADS; n += width) {
        value += sums[n];
      }
      if mass > 0.0 {
        value += scale * low[place + own];
      }
      out[place + own] = select(vec4f(), value / total, total > 0.0);
    }
  }
  if thread == 0 {
    let again = select(0.0, 1.0, mass > 0.0 && ((removed > 0.0 && drowned) || all));
    let normalizer = select(LOWEST, largest + log(total), total > 0.0);
    out[place + params.values] = vec4f(normalizer, listed, 0.0, again);
  }
}
