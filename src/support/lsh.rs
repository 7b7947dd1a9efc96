//! Cross-polytope locality-sensitive hashing (Andoni, Indyk, Laarhoven, Razenshteyn, Schmidt 2015).
//!
//! Each round rotates by three Hadamard-sign products, padded to a power of two, and hashes a vector to the signed
//! axis that it is nearest to. Only the direction of a vector counts.

use crate::attention::{Clock, Head, Task};
use crate::error::Result;
use crate::memory;
use crate::random::{Purpose, generator, signs};
use crate::support::{Buckets, Groups, Round, piece_of};

/// Bucket of each token in round `round` of slice `slice` = batch · heads + head: twice the axis, plus one where
/// it points the other way. `x` is row-major `[tokens, dim]`. O(tokens · dim log dim).
pub fn bucket_ids(seed: u64, slice: usize, round: usize, x: &[f32], dim: usize) -> Vec<u32> {
    let padded = dim.next_power_of_two();
    let signs = signs(&mut generator(seed, slice, Purpose::Hash { round }), 3 * padded);
    let mut y = vec![0.0; padded];
    let bucket = |token: &[f32]| {
        // The hash ignores length, and rotating numbers near f32's limits would overflow.
        let largest = token.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let unit = if largest > 0.0 { 1.0 / f64::from(largest) } else { 0.0 };
        y.fill(0.0);
        y.iter_mut().zip(token).for_each(|(y, &x)| *y = (f64::from(x) * unit) as f32);
        for signs in signs.chunks_exact(padded) {
            y.iter_mut().zip(signs).for_each(|(y, sign)| *y *= sign);
            hadamard(&mut y);
        }
        let mut axis = 0;
        for (r, x) in y.iter().enumerate() {
            // Where the dimension is no power of two, some axes see the same numbers: a tie that rounding must
            // not decide.
            if x.abs() > y[axis].abs() * (1.0 + 1e-6) {
                axis = r;
            }
        }
        2 * axis as u32 + u32::from(y[axis] < 0.0)
    };
    x.chunks_exact(dim).map(bucket).collect()
}

/// The Walsh-Hadamard transform, not normalised.
fn hadamard(x: &mut [f32]) {
    let mut half = 1;
    while half < x.len() {
        for block in x.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
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
