// Softmax attention: the entries are logits.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
// Of each row the output, then the logarithm of its normaliser and its entropy.
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;

// Whether entropies are wanted.
override ENTROPY: bool = false;

<<<<<<< HEAD
fn query_vector(slice: u32, query: u32, at: u32) -> vec4f {
  if query < params.queries && at < params.dim {
    return q[(slice * params.queries + query) * params.dim + at];
  }
  return vec4f();
}

fn key_vector(slice: u32, key: u32, at: u32) -> vec4f {
  if key < params.table[slice].x && at < params.dim {
    return k[(params.table[slice].y * params.keys + key) * params.dim + at];
  }
  return vec4f();
=======
fn query_id(slice: u32, row: u32) -> u32 {
  return select(NONE, row, row < params.queries);
}

fn key_id(slice: u32, place: u32) -> u32 {
  return place;
>>>>>>> 0d3b96e9d0a234cc2ba0a4f83c7f165af5d615bc
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
<<<<<<< HEAD
    // Said, though it is the default: Chromium 156 on SwiftShader would keep what the last turn of the loop left.
    var logits = array<vec4f, 4>();
    for (var depth = 0u; depth < params.dim; depth += DEPTH) {
      workgroupBarrier();
      if thread < 64 {
        let query = first + thread % 16 * 4;
        var block = mat4x4f();
        for (var n = 0u; n < 4; n++) {
          block[n] = query_vector(slice, query + n, depth + thread / 16);
        }
        stage_rows(thread, block);
      } else if thread < 96 {
        let key = start + thread % 8 * 4;
        var block = mat4x4f();
        for (var n = 0u; n < 4; n++) {
          block[n] = key_vector(slice, key + n, depth + (thread - 64) / 8);
        }
        stage_keys(thread - 64, block);
      }
      workgroupBarrier();
      add_products(thread, &logits);
    }

=======
    var logits = tile_logits(thread, slice, first, start);
>>>>>>> 0d3b96e9d0a234cc2ba0a4f83c7f165af5d615bc
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
