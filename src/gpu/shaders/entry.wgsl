// Entries of the low-rank part, from the logarithms of features.
//
// For shaders that bind `query_features` [slices, queries, features] and `key_features` [slices, keys, features].

// The logarithm of one entry: of Σ exp(query + key) over features.
fn log_entry(slice: u32, query: u32, key: u32) -> f32 {
  let query_row = (slice * params.queries + query) * params.feature_vectors;
  let key_row = (slice * params.keys + key) * params.feature_vectors;
  var most = vec4f(LOWEST);
  for (var n = 0u; n < params.feature_vectors; n++) {
    most = max(most, query_features[query_row + n] + key_features[key_row + n]);
  }
  let largest = max(max(most.x, most.y), max(most.z, most.w));
  var sum = vec4f();
  for (var n = 0u; n < params.feature_vectors; n++) {
    sum += weights(query_features[query_row + n] + key_features[key_row + n] - largest);
  }
  return largest + log(dot(sum, vec4f(1.0)));
}
