// From keys in order of their buckets to groups: the buckets themselves, or equal chunks of the order.

// The bucket of each key, [slices, rounds, keys].
@group(0) @binding(1) var<storage, read> buckets: array<u32>;
@group(0) @binding(2) var<storage, read_write> lists: array<u32>;

const THREADS: u32 = 64;

// How many keys are in buckets before this one.
fn keys_before(list: u32, bucket: u32) -> u32 {
  let order = keys_of(list / params.rounds, list % params.rounds);
  var start = 0u;
  var end = params.table[list / params.rounds].x;
  while start < end {
    let middle = (start + end) / 2;
    if buckets[list * params.keys + lists[order + middle]] < bucket {
      start = middle + 1;
    } else {
      end = middle;
    }
  }
  return start;
}

// Where each bucket starts.
@compute @workgroup_size(64)
fn bounds(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  let each = params.extra.y / THREADS + 1;
  let list = index / each;
  let bucket = index % each * THREADS + thread;
  if index >= dispatch.end || bucket > params.extra.y {
    return;
  }
  lists[starts_of(list / params.rounds, list % params.rounds) + bucket] = keys_before(list, bucket);
}

// A query goes to the chunk that its bucket's middle lies in.
@compute @workgroup_size(64)
fn middles(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  let each = (params.queries + THREADS - 1) / THREADS;
  let list = index / each;
  let slice = list / params.rounds;
  let query = index % each * THREADS + thread;
  if index >= dispatch.end || query >= params.queries {
    return;
  }
  let own = groups_of(slice, list % params.rounds) + query;
  let keys = max(params.table[slice].x, 1u);
  let middle = min((keys_before(list, lists[own]) + keys_before(list, lists[own] + 1)) / 2, keys - 1);
  let starts = starts_of(slice, list % params.rounds);
  var chunk = 0u;
  var stop = params.extra.y;
  // The last one that starts there or before.
  while chunk + 1 < stop {
    let half = (chunk + stop) / 2;
    if lists[starts + half] <= middle {
      chunk = half;
    } else {
      stop = half;
    }
  }
  lists[own] = chunk;
}
