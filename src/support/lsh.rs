//! Cross-polytope locality-sensitive hashing (Andoni, Indyk, Laarhoven, Razenshteyn, Schmidt 2015).
//!
//! Each round rotates by three Hadamard-sign products, padded to a power of two, and hashes a vector to the signed
//! axis that it is nearest to. Only the direction of a vector counts.

use crate::attention::Head;
use crate::error::Result;
use crate::memory;
use crate::random::{Purpose, generator, signs};
use crate::support::{piece, piece_of};

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
            if x.abs() > y[axis].abs() {
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

/// Hashes of one head.
pub(crate) struct Lsh {
    rounds: Vec<Round>,
    chunk: Option<usize>,
    causal: bool,
}

struct Round {
    /// Bucket of each query.
    queries: Vec<u32>,
    /// Keys by bucket, ascending inside one.
    order: Vec<u32>,
    /// Where each bucket starts in `order`, and the end.
    starts: Vec<u32>,
}

impl Lsh {
    pub fn new(seed: u64, head: &Head, rounds: usize, chunk: Option<usize>) -> Result<Lsh> {
        let buckets = 2 * head.dim.next_power_of_two();
        let mut list = memory::with_capacity("hash rounds", rounds)?;
        for round in 0..rounds {
            let ids = bucket_ids(seed, head.slice, round, &head.k, head.dim);
            let mut starts = vec![0u32; buckets + 1];
            ids.iter().for_each(|&id| starts[id as usize + 1] += 1);
            (0..buckets).for_each(|b| starts[b + 1] += starts[b]);
            let mut next = starts.clone();
            let mut order = memory::filled("hash order", ids.len(), 0u32)?;
            for (key, &id) in (0u32..).zip(&ids) {
                order[next[id as usize] as usize] = key;
                next[id as usize] += 1;
            }
            list.push(Round { queries: bucket_ids(seed, head.slice, round, &head.q, head.dim), order, starts });
        }
        Ok(Lsh { rounds: list, chunk, causal: head.causal })
    }

    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The keys of `query` in one round; `visible` keys may be seen.
    pub fn keys(&self, query: usize, round: usize, visible: usize) -> &[u32] {
        let Round { queries, order, starts } = &self.rounds[round];
        let bucket = queries[query] as usize;
        let range = starts[bucket] as usize..starts[bucket + 1] as usize;
        match (self.chunk, self.causal) {
            (None, _) => seen(&order[range], visible),
            (Some(chunk), true) => {
                let past = seen(&order[range], visible);
                &past[past.len().saturating_sub(chunk)..]
            }
            (Some(chunk), false) if visible > 0 => {
                let pieces = visible.div_ceil(chunk);
                let middle = ((range.start + range.end) / 2).min(visible - 1);
                &order[piece(piece_of(middle, visible, pieces), visible, pieces)]
            }
            (Some(_), false) => &[],
        }
    }
}

/// The keys of an ascending list that come before `visible`.
fn seen(keys: &[u32], visible: usize) -> &[u32] {
    &keys[..keys.partition_point(|&key| (key as usize) < visible)]
}
