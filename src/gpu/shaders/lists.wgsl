// Where `lists` keeps what hashing made of the tokens: first, for each slice and round, where each group of keys starts, and the end;
// then, for each, the group of every query, the queries and the keys in order of their groups, and the place of every key in that order.
//
// params.extra.y is the number of groups.

fn starts_of(slice: u32, round: u32) -> u32 {
  return (slice * params.rounds + round) * (params.extra.y + 1);
}

fn groups_of(slice: u32, round: u32) -> u32 {
  return starts_of(params.slices, 0) + (slice * params.rounds + round) * 2 * (params.queries + params.keys);
}

fn queries_of(slice: u32, round: u32) -> u32 {
  return groups_of(slice, round) + params.queries;
}

fn keys_of(slice: u32, round: u32) -> u32 {
  return groups_of(slice, round) + 2 * params.queries;
}

fn places_of(slice: u32, round: u32) -> u32 {
  return groups_of(slice, round) + 2 * params.queries + params.keys;
}
