//! Cross-polytope locality-sensitive hashing (Andoni, Indyk, Laarhoven, Razenshteyn, Schmidt 2015).
//!
//! Each round rotates by three Hadamard-sign products, padded to a power of two, and hashes a vector to the signed
//! axis that it is nearest to. Only the direction of a vector counts.

use crate::attention::{Clock, Head, Task};
use crate::error::Result;
use crate::features::FIRST;
use crate::memory;
use crate::random::{Purpose, generator, signs};
use crate::simd::{LANES, gather_columns, nearest_axis};
use crate::support::{Buckets, Groups, Round, piece_of};

/// Bucket of each token in round `round` of slice `slice` = batch · heads + head: twice the axis, plus one where
/// it points the other way. `x` is row-major `[tokens, dim]`. O(tokens · dim log dim).
pub fn bucket_ids(seed: u64, slice: usize, round: usize, x: &[f32], dim: usize) -> Vec<u32> {
    let padded = dim.next_power_of_two();
    let signs = signs(&mut generator(seed, slice, Purpose::Hash { round }), 3 * padded);
    let mut columns = vec![[0.0; LANES]; padded];
    let mut out = Vec::with_capacity(x.len() / dim);
    for tokens in x.chunks(LANES * dim) {
        let count = tokens.len() / dim;
        columns[dim..].fill([0.0; LANES]);
        gather_columns(tokens, &FIRST[..count], &mut columns[..dim]);
        out.extend(nearest_axis(&mut columns, &signs)[..count].iter().map(|&id| id as u32));
    }
    out
}

/// O(rounds · tokens · dim log dim).
pub(super) fn buckets(
    seed: u64,
    head: &Head,
    raw_queries: &[f32],
    rounds: usize,
    chunk: Option<usize>,
    clock: &mut Clock,
) -> Result<Buckets> {
    let buckets = 2 * head.dim.next_power_of_two();
    let mut list = memory::with_capacity("the support", rounds)?;
    for round in 0..rounds {
        let hash = |tokens| bucket_ids(seed, head.slice, round, tokens, head.dim);
        let (queries, keys) = (hash(raw_queries), hash(&head.k));
        clock.lap(Task::Search);
        list.push(match chunk {
            // Chunks of a sorted sequence would reveal future keys through their ranks.
            Some(chunk) if !head.causal => chunked(queries, &Groups::new(&keys, buckets)?, head.keys.div_ceil(chunk)),
            _ => Round::new(queries, keys, buckets),
        }?);
        clock.lap(Task::Sort);
    }
    Ok(Buckets { rounds: list, latest: chunk.filter(|_| head.causal).unwrap_or(usize::MAX) })
}

/// Keys sorted by bucket and cut into equal chunks; a query goes to the one that its bucket's middle lies in.
fn chunked(mut queries: Vec<u32>, buckets: &Groups, chunks: usize) -> Result<Round> {
    let keys = buckets.keys.len();
    let mut chunk_of = memory::filled("the support", keys, 0u32)?;
    for (rank, &key) in buckets.keys.iter().enumerate() {
        chunk_of[key as usize] = piece_of(rank, keys, chunks) as u32;
    }
    for query in &mut queries {
        let bucket = buckets.range(*query as usize);
        let middle = ((bucket.start + bucket.end) / 2).min(keys - 1);
        *query = piece_of(middle, keys, chunks) as u32;
    }
    Round::new(queries, chunk_of, chunks)
}
