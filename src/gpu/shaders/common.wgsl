// What every shader sees: the sizes of a group of heads, and which workgroups a dispatch is.
//
// Tensors are row-major, and rows are padded with zeros to whole vectors of four. A head of the group is a "slice"; several slices
// may share keys and values, which are those of a "kv head".

struct Params {
  slices: u32,
  queries: u32,
  // Rows of each kv head, padding keys included.
  keys: u32,
  // Vectors in a query or key.
  dim: u32,
  // Vectors in a value.
  values: u32,
  // Features of the low-rank part, and vectors that they take.
  features: u32,
  feature_vectors: u32,
  // Keys that are summed into one state.
  chunk: u32,
  // Keys before and after which a causal low-rank part leaves to the support, or 0.
  lag: u32,
  rounds: u32,
  // Of a bucket, at most this many of the latest keys.
  latest: u32,
  // Of a window.
  size: u32,
  // What else a method needs.
  extra: vec4u,
  // For each slice: unmasked keys, kv head, and two more.
  table: array<vec4u, 64>,
}

struct Dispatch {
  // Workgroups are counted over all dispatches that do one job.
  first: u32,
  end: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(1) @binding(0) var<uniform> dispatch: Dispatch;

override CAUSAL: bool = false;

// Stands for -inf, which shaders may assume away.
const LOWEST: f32 = -3.0e38;

// The same for the logarithm of a feature: two of them can be added.
const NOTHING: f32 = -1.0e38;

// In two dimensions, for one holds 65,535 workgroups at most.
fn group_index(id: vec3u, count: vec3u) -> u32 {
  return dispatch.first + id.y * count.x + id.x;
}

// How many keys a query sees; these are the first ones.
fn visible(slice: u32, query: u32) -> u32 {
  let keys = params.table[slice].x;
  if CAUSAL {
    return min(keys, query + 1);
  }
  return keys;
}

// How many keys the low-rank part of a query is about; these are the first ones.
fn low_rank_end(slice: u32, query: u32) -> u32 {
  let keys = params.table[slice].x;
  if CAUSAL {
    return min(keys, max(query + 1, params.lag) - params.lag);
  }
  return keys;
}

// exp of what is not positive. Below this it is 0 in f32, and an overflow on the way must not come in between.
fn weight(x: f32) -> f32 {
  return exp(max(x, -120.0));
}

fn weights(x: vec4f) -> vec4f {
  return exp(max(x, vec4f(-120.0)));
}
