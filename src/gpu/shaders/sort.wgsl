// Sorting tokens by an integer each, among equals by position: blocks in workgroup memory, then each token finds its rank by looking
// itself up in all blocks. And from ranks to groups.

// [slices, rounds, tokens].
@group(0) @binding(1) var<storage, read> values: array<u32>;
// The same in blocks, each sorted: a value and whose it is.
@group(0) @binding(2) var<storage, read_write> blocks: array<vec2u>;

// Whether the tokens are keys.
override KEYS: bool = false;
// Whether groups of queries are pieces of their order, rather than the integers themselves.
override SPLIT: bool = false;

const THREADS: u32 = 256;
const BLOCK: u32 = 1024;

var<workgroup> block: array<vec2u, BLOCK>;

fn tokens_at_most() -> u32 {
  return select(params.queries, params.keys, KEYS);
}

fn tokens_of(slice: u32) -> u32 {
  return select(params.queries, params.table[slice].x, KEYS);
}

fn is_before(a: vec2u, b: vec2u) -> bool {
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}

// Bitonic.
@compute @workgroup_size(256)
fn sort_blocks(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let each = (tokens_at_most() + BLOCK - 1) / BLOCK;
  let list = index / each;
  let first = index % each * BLOCK;
  let end = tokens_of(list / params.rounds);
  for (var n = thread; n < BLOCK; n += THREADS) {
    var token = vec2u(0xffffffffu);
    if first + n < end {
      token = vec2u(values[list * tokens_at_most() + first + n], first + n);
    }
    block[n] = token;
  }
  for (var size = 2u; size <= BLOCK; size *= 2) {
    for (var step = size / 2; step > 0; step /= 2) {
      workgroupBarrier();
      for (var n = thread; n < BLOCK / 2; n += THREADS) {
        let low = n / step * 2 * step + n % step;
        let a = block[low];
        let b = block[low + step];
        if is_before(b, a) == ((low & size) == 0) {
          block[low] = b;
          block[low + step] = a;
        }
      }
    }
  }
  workgroupBarrier();
  for (var n = thread; n < BLOCK; n += THREADS) {
    if first + n < end {
      blocks[list * tokens_at_most() + first + n] = block[n];
    }
  }
}

@group(0) @binding(1) var<storage, read> sorted: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;
// [slices, groups + 1]: where each group of queries starts.
@group(0) @binding(3) var<storage, read> query_starts: array<u32>;

// How many tokens of a list come before this one.
fn rank_of(list: u32, token: vec2u) -> u32 {
  let end = tokens_of(list / params.rounds);
  var rank = 0u;
  for (var first = 0u; first < end; first += BLOCK) {
    var start = first;
    var stop = min(end, first + BLOCK);
    while start < stop {
      let middle = (start + stop) / 2;
      if is_before(sorted[list * tokens_at_most() + middle], token) {
        start = middle + 1;
      } else {
        stop = middle;
      }
    }
    rank += start - first;
  }
  return rank;
}

// Puts tokens in order; says where each key is, and puts queries into groups.
@compute @workgroup_size(256)
fn place(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  let each = (tokens_at_most() + THREADS - 1) / THREADS;
  let list = index / each;
  let slice = list / params.rounds;
  let n = index % each * THREADS + thread;
  if index >= dispatch.end || n >= tokens_of(slice) {
    return;
  }
  let token = sorted[list * tokens_at_most() + n];
  let rank = rank_of(list, token);
  let round = list % params.rounds;
  if KEYS {
    lists[keys_of(slice, round) + rank] = token.y;
    lists[places_of(slice, round) + token.y] = rank;
    return;
  }
  lists[queries_of(slice, round) + rank] = token.y;
  if !SPLIT {
    lists[groups_of(slice, round) + token.y] = token.x;
    return;
  }
  var group = 0u;
  var stop = params.extra.y;
  // The last one that starts at the rank or before.
  while group + 1 < stop {
    let middle = (group + stop) / 2;
    if query_starts[slice * (params.extra.y + 1) + middle] <= rank {
      group = middle;
    } else {
      stop = middle;
    }
  }
  lists[groups_of(slice, round) + token.y] = group;
}
