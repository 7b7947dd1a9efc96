// Attention over clusters: each query walks down the tree of its head and opens the cluster that promises most, again and again, until
// its budget is spent. What then lies open, single keys and clusters, is one softmax.
//
// A workgroup has a query, and 64 threads. Children of a cluster, up to 16, are judged together: four of them by a thread, for a
// sixteenth of the dimensions. What was judged is kept in lists in global memory, of which a thread only ever touches every 64th
// element, so that threads need not wait for each other there.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
// Of keys, and mean values of clusters.
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> means: array<vec4f>;
// [cluster, component, 4 vectors of 4 children].
@group(0) @binding(5) var<storage, read> centroids: array<vec4f>;
// Clusters, NODE words each, then the clusters above the roots.
@group(0) @binding(6) var<storage, read> nodes: array<u32>;
// Of each row: indices, logarithms of masses, and what clusters promise. Keys come from the front and clusters from the back, both in
// the order in which they were judged; promises are by cluster.
@group(0) @binding(7) var<storage, read_write> lists: array<u32>;
// Of each row the output, then the logarithm of its normaliser, keys taken exactly, and clusters judged.
@group(0) @binding(8) var<storage, read_write> out: array<vec4f>;

// Whether only keys count, and there is no row without one.
override SPARSE: bool = false;

const THREADS: u32 = 64;
// Children of a cluster, at most, and keys of a block.
const LANES: u32 = 16;
// Causal: first keys that are in no tree.
const SINKS: u32 = 4;
// Clusters promising most that may be passed over because they do not fit.
const MISFITS: u32 = 2;
// What no cluster promises less than.
const CLOSED: f32 = -8.5070587e37;
const NONE: u32 = 0xffffffff;

// A cluster's words: 16 children, single keys first; 16 log weights; 16 log doubts; how many children, how many keys.
const NODE: u32 = 50;
const LOG_WEIGHTS: u32 = 16;
const LOG_DOUBTS: u32 = 32;
const CHILDREN: u32 = 48;
const KEYS: u32 = 49;

// Vectors of values at a time.
const COLUMNS: u32 = 16;

var<workgroup> query: array<vec4f, 256>;
// Of each thread.
var<workgroup> sums: array<vec4f, 64>;
var<workgroup> numbers: array<f32, 64>;
var<workgroup> places: array<vec2u, 64>;
// The cluster that promises most: its place in the list, and which it is.
var<workgroup> first_choice: vec2u;

// The inner product of the query with a child's centroid, of which threads have the parts.
fn logit(lane: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < THREADS / 4; part++) {
    sum += sums[part * 4 + lane / 4][lane % 4];
  }
  return sum;
}

// What of a list falls to a thread, counted from the list's end.
fn own(thread: u32, end: u32) -> u32 {
  return (thread + THREADS - end % THREADS) % THREADS;
}

@compute @workgroup_size(64)
fn walk(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = group_index(id, count);
  if index >= dispatch.end {
    return;
  }
  let slice = index / params.queries;
  let row = index % params.queries;
  let seen = visible(slice, row);
  let first_key = params.table[slice].y * params.keys;
  let capacity = params.extra.y;
  let indices = (index - dispatch.first) * 3 * capacity;
  let log_masses = indices + capacity;
  let promises = log_masses + capacity;

  for (var at = thread; at < params.dim; at += THREADS) {
    query[at] = q[index * params.dim + at];
  }
  workgroupBarrier();

  // Causal: the first keys, and those since the last block that is in a tree.
  var direct = 0u;
  var top = params.table[slice].z;
  if CAUSAL {
    let blocks = min(row, params.table[slice].x) / LANES;
    let sinks = min(seen, SINKS);
    let open = max(blocks * LANES, SINKS);
    direct = sinks + max(seen, open) - open;
    top += blocks;
    if thread < direct {
      let key = select(open + thread - sinks, thread, thread < sinks);
      var sum = 0.0;
      for (var at = 0u; at < params.dim; at++) {
        sum += dot(query[at], k[(first_key + key) * params.dim + at]);
      }
      lists[indices + thread] = key;
      lists[log_masses + thread] = bitcast<u32>(sum);
    }
  }

  var budget = max(params.extra.x, direct) - direct;
  var keys = direct;
  var clusters = 0u;
  var misfits = 0u;
  // Of the clusters that fall to this thread the one that promises most, as `first_choice` has it.
  var best = LOWEST;
  var best_place = vec2u();
  var cluster = nodes[top];
  loop {
    if cluster != NONE {
      let node = cluster * NODE;
      let children = nodes[node + CHILDREN];
      let single = nodes[node + KEYS];
      var sum = vec4f();
      for (var at = thread / 4; at < params.dim; at += THREADS / 4) {
        let x = query[at];
        let panel = (cluster * params.dim + at) * 16 + thread % 4;
        sum += x.x * centroids[panel];
        sum += x.y * centroids[panel + 4];
        sum += x.z * centroids[panel + 8];
        sum += x.w * centroids[panel + 12];
      }
      sums[thread] = sum;
      workgroupBarrier();
      let own_key = own(thread, keys);
      if own_key < single {
        let at = keys + own_key;
        lists[indices + at] = nodes[node + own_key];
        lists[log_masses + at] = bitcast<u32>(logit(own_key));
      }
      let lane = single + own(thread, clusters);
      if lane < children {
        let at = clusters + lane - single;
        let child = nodes[node + lane];
        let log_mass = bitcast<f32>(nodes[node + LOG_WEIGHTS + lane]) + logit(lane);
        let promise = log_mass + bitcast<f32>(nodes[node + LOG_DOUBTS + lane]);
        // Of equal promises the lane decides, and of equal lanes the later cluster.
        let labelled = bitcast<f32>((bitcast<u32>(promise) & 0xfffffff0) | lane);
        lists[indices + capacity - 1 - at] = child;
        lists[log_masses + capacity - 1 - at] = bitcast<u32>(log_mass);
        lists[promises + at] = bitcast<u32>(labelled);
        if labelled >= best {
          best = labelled;
          best_place = vec2u(at, child);
        }
      }
      keys += single;
      clusters += children - single;
    }

    let judged = keys - direct + clusters;
    var choice = vec2u(NONE);
    if judged < budget && misfits < MISFITS {
      numbers[thread] = best;
      places[thread] = best_place;
      workgroupBarrier();
      if thread == 0 {
        var most = CLOSED;
        first_choice = vec2u(NONE);
        for (var n = 0u; n < min(clusters, THREADS); n++) {
          if numbers[n] > most || (numbers[n] == most && first_choice.x != NONE && places[n].x > first_choice.x) {
            most = numbers[n];
            first_choice = places[n];
          }
        }
      }
      choice = workgroupUniformLoad(&first_choice);
    }
    if choice.x == NONE {
      if !SPARSE || keys > 0 || seen == 0 {
        break;
      }
      // A budget spent on clusters before the first key is reached would leave the row without a support.
      budget += LANES;
      clusters = 0;
      misfits = 0;
      best = LOWEST;
      cluster = nodes[top];
      workgroupBarrier();
      continue;
    }
    let fits = judged + nodes[choice.y * NODE + CHILDREN] <= budget;
    if choice.x % THREADS == thread {
      lists[promises + choice.x] = bitcast<u32>(LOWEST);
      if fits {
        lists[log_masses + capacity - 1 - choice.x] = bitcast<u32>(LOWEST);
      }
      best = LOWEST;
      for (var at = thread; at < clusters; at += THREADS) {
        let promise = bitcast<f32>(lists[promises + at]);
        if promise >= best {
          best = promise;
          best_place = vec2u(at, lists[indices + capacity - 1 - at]);
        }
      }
    }
    if fits {
      cluster = choice.y;
    } else {
      cluster = NONE;
      misfits++;
    }
  }

  var largest = LOWEST;
  for (var at = thread; at < keys; at += THREADS) {
    largest = max(largest, bitcast<f32>(lists[log_masses + at]));
  }
  if !SPARSE {
    for (var at = thread; at < clusters; at += THREADS) {
      largest = max(largest, bitcast<f32>(lists[log_masses + capacity - 1 - at]));
    }
  }
  workgroupBarrier();
  numbers[thread] = largest;
  workgroupBarrier();
  for (var n = 0u; n < THREADS; n++) {
    largest = max(largest, numbers[n]);
  }

  let out_row = index * (params.values + 1);
  var total = 0.0;
  for (var column = 0u; column < params.values; column += COLUMNS) {
    let own_column = column + thread % COLUMNS;
    var sum = vec4f();
    for (var list = 0u; list < select(2u, 1u, SPARSE); list++) {
      let end = select(clusters, keys, list == 0);
      for (var start = 0u; start < end; start += THREADS) {
        let at = start + thread;
        var w = 0.0;
        var entry = 0u;
        if at < end {
          let place = select(capacity - 1 - at, at, list == 0);
          w = weight(bitcast<f32>(lists[log_masses + place]) - largest);
          entry = lists[indices + place];
        }
        if column == 0 {
          total += w;
        }
        workgroupBarrier();
        numbers[thread] = w;
        places[thread] = vec2u(entry);
        workgroupBarrier();
        if own_column < params.values {
          for (var n = thread / COLUMNS; n < min(THREADS, end - start); n += THREADS / COLUMNS) {
            if list == 0 {
              sum += numbers[n] * v[(first_key + places[n].x) * params.values + own_column];
            } else {
              sum += numbers[n] * means[places[n].x * params.values + own_column];
            }
          }
        }
      }
    }
    workgroupBarrier();
    sums[thread] = sum;
    if column == 0 {
      numbers[thread] = total;
    }
    workgroupBarrier();
    if column == 0 {
      total = 0.0;
      for (var n = 0u; n < THREADS; n++) {
        total += numbers[n];
      }
    }
    if thread < COLUMNS && own_column < params.values {
      sum += sums[thread + COLUMNS] + sums[thread + 2 * COLUMNS] + sums[thread + 3 * COLUMNS];
      out[out_row + own_column] = select(vec4f(), sum / max(total, 1e-30), total > 0.0);
    }
  }
  if thread == 0 {
    let log_normalizer = select(LOWEST, largest + log(max(total, 1e-30)), total > 0.0);
    out[out_row + params.values] = vec4f(log_normalizer, f32(keys), select(f32(clusters), 0.0, SPARSE), 0.0);
  }
}
