// The low-rank entries of a tile, as logarithms, by key. For shaders that bind features and stream tiles.
//
// An entry is a product of features, exp(query + key) summed. Each side's are taken in units of that token's largest, so that no other
// token has a say in how they round. Where the two sides have nothing in common that survives this, logarithms are added first.

// Terms that are 0 in f32 for being small cannot add up to a digit of what is larger than this.
const SMALL: f32 = 1.0e-25;

// Parts of a token's largest feature.
var<workgroup> most: array<f32, 128>;

fn query_feature(slice: u32, row: u32, at: u32) -> vec4f {
  let query = query_id(slice, row);
  if query < params.queries && at < params.feature_vectors {
    return query_features[(slice * params.queries + query) * params.feature_vectors + at];
  }
  return vec4f(NOTHING);
}

fn key_feature(slice: u32, place: u32, at: u32) -> vec4f {
  let key = key_id(slice, place);
  if key < params.keys && at < params.feature_vectors {
    return key_features[(slice * params.keys + key) * params.feature_vectors + at];
  }
  return vec4f(NOTHING);
}

fn largest_component(x: vec4f) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

// The largest features of the four rows that a thread loads, and of the four that it has entries of.
fn most_of_rows(thread: u32, slice: u32, first: u32) -> array<vec4f, 2> {
  var top = vec4f(LOWEST);
  for (var at = thread % 2; at < params.feature_vectors; at += 2) {
    top = max(top, query_feature(slice, first + thread / 2, at));
  }
  workgroupBarrier();
  most[thread] = largest_component(top);
  workgroupBarrier();
  var found = array<vec4f, 2>();
  for (var n = 0u; n < 4; n++) {
    let loaded = 2 * (thread % 16 * 4 + n);
    let own = 2 * (thread / 8 * 4 + n);
    found[0][n] = max(most[loaded], most[loaded + 1]);
    found[1][n] = max(most[own], most[own + 1]);
  }
  return found;
}

fn tile_entries(thread: u32, slice: u32, first: u32, start: u32, row_most: array<vec4f, 2>) -> array<vec4f, 4> {
  var top = vec4f(LOWEST);
  for (var at = thread % 4; at < params.feature_vectors; at += 4) {
    top = max(top, key_feature(slice, start + thread / 4, at));
  }
  workgroupBarrier();
  most[thread] = largest_component(top);
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
        let row = query_feature(slice, first + thread % 16 * 4 + n, depth + thread / 16);
        block[n] = weights(row - row_most[0][n]);
      }
      stage_rows(thread, block);
    } else if thread < 96 {
      var block = mat4x4f();
      for (var n = 0u; n < 4; n++) {
        let key = key_feature(slice, start + thread % 8 * 4 + n, depth + (thread - 64) / 8);
        block[n] = weights(key - key_most[n]);
      }
      stage_keys(thread - 64, block);
    }
    workgroupBarrier();
    add_products(thread, &products);
  }

  var logs = array<vec4f, 4>();
  for (var c = 0u; c < 4; c++) {
    let key = key_id(slice, start + thread % 8 * 4 + c);
    for (var n = 0u; n < 4; n++) {
      let query = query_id(slice, first + thread / 8 * 4 + n);
      var entry = LOWEST;
      if query < params.queries && key < params.table[slice].x {
        if products[c][n] > SMALL {
          entry = row_most[1][n] + key_most[c] + log(products[c][n]);
        } else {
          entry = log_entry(slice, query, key);
        }
      }
      logs[c][n] = entry;
    }
  }
  return logs;
}
