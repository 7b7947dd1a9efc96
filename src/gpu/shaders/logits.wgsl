// The logits of a tile, by key. For shaders that bind `q` and `k` and stream tiles.

fn query_vector(slice: u32, row: u32, at: u32) -> vec4f {
  let query = query_id(slice, row);
  if query < params.queries && at < params.dim {
    return q[(slice * params.queries + query) * params.dim + at];
  }
  return vec4f();
}

fn key_vector(slice: u32, place: u32, at: u32) -> vec4f {
  let key = key_id(slice, place);
  if key < params.table[slice].x && at < params.dim {
    return k[(params.table[slice].y * params.keys + key) * params.dim + at];
  }
  return vec4f();
}

fn tile_logits(thread: u32, slice: u32, first: u32, start: u32) -> array<vec4f, 4> {
  // Said, though it is the default: Chromium 156 on SwiftShader would keep what the last turn of a loop left.
  var logits = array<vec4f, 4>();
  for (var depth = 0u; depth < params.dim; depth += DEPTH) {
    workgroupBarrier();
    if thread < 64 {
      var block = mat4x4f();
      for (var n = 0u; n < 4; n++) {
        block[n] = query_vector(slice, first + thread % 16 * 4 + n, depth + thread / 16);
      }
      stage_rows(thread, block);
    } else if thread < 96 {
      var block = mat4x4f();
      for (var n = 0u; n < 4; n++) {
        block[n] = key_vector(slice, start + thread % 8 * 4 + n, depth + (thread - 64) / 8);
      }
      stage_keys(thread - 64, block);
    }
    workgroupBarrier();
    add_products(thread, &logits);
  }
  return logits;
}
