// Softmax attention: the entries are logits.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser and its entropy.
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

// Whether entropies are wanted.
override ENTROPY: bool = false;

fn query_id(slice: u32, row: u32) -> u32 {
  return select(NONE, row, row < params.queries);
}

fn key_id(slice: u32, place: u32) -> u32 {
  return place;
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
  let blocks = (params.queries + ROWS - 1) / ROWS;
  let parts = (params.values + COLUMNS - 1) / COLUMNS;
  let slice = index / (blocks * parts);
  let first_column = index % parts * COLUMNS;
  let first = index / parts % blocks * ROWS;
  // The four queries that this thread has logits of, and how many keys they see.
  let four = first + thread / 8 * 4;
  let seen = vec4u(visible(slice, four), visible(slice, four + 1), visible(slice, four + 2), visible(slice, four + 3));

  var largest = vec4f(LOWEST);
  var sum = vec4f();
  var moment = vec4f();
  var output = array<vec4f, 8>();

  let end = visible(slice, min(first + ROWS, params.queries) - 1);
  for (var start = 0u; start < end; start += KEYS) {
    var logits = tile_logits(thread, slice, first, start);
    let own_start = start + thread % 8 * 4;
    for (var c = 0u; c < 4; c++) {
      logits[c] = select(vec4f(LOWEST), logits[c], vec4u(own_start + c) < seen);
    }
    let now = raised(thread, largest, max(max(logits[0], logits[1]), max(logits[2], logits[3])));
    let drop = largest - now;
    let factor = weights(drop);
    if ENTROPY {
      moment = select(vec4f(), factor * (moment + drop * sum), factor > vec4f());
    }
    sum *= factor;
    largest = now;
    if thread % 8 == 0 {
      shrink[thread / 8] = factor;
    }
    for (var c = 0u; c < 4; c++) {
      let less = logits[c] - largest;
      let w = select(vec4f(), weights(less), vec4u(own_start + c) < seen);
      weight_tile[(thread % 8 * 4 + c) * 16 + thread / 8] = w;
      sum += w;
      if ENTROPY {
        moment += select(vec4f(), w * less, w > vec4f());
      }
    }
    add_values(thread, slice, start, first_column, &output);
  }

  let total = total_of(thread, sum);
  var entropy = vec4f();
  if ENTROPY {
    entropy = max(log(max(total, vec4f(1.0e-30))) - total_of(thread, moment) / max(total, vec4f(1.0e-30)), vec4f());
    entropy = select(vec4f(), entropy, total > vec4f());
  }
  write_rows(thread, slice, first, first_column, largest, total, entropy, &output);
}
