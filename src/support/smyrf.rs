//! SMYRF (Daras, Kitaev, Odena, Dimakis 2020): asymmetric transformations that turn inner products into
//! distances, one random projection, and equal clusters along it.

use crate::attention::{Clock, Head, Task};
use crate::error::Result;
use crate::memory;
use crate::random::{Purpose, generator, normals};
use crate::support::{Buckets, Round, piece_of, sort, sortable};

/// The Gaussian direction of round `round` of slice `slice` = batch · heads + head, `len` = dim + 2 long.
pub fn direction(seed: u64, slice: usize, round: usize, len: usize) -> Vec<f32> {
    let drawn = normals(&mut generator(seed, slice, Purpose::Hash { round }), len);
    drawn.iter().map(|&x| x as f32).collect()
}

/// O(rounds · tokens · (dim + log tokens)).
pub(super) fn buckets(
    seed: u64,
    head: &Head,
    raw_queries: &[f32],
    cluster: usize,
    rounds: usize,
    clock: &mut Clock,
) -> Result<Buckets> {
    let clusters = head.keys.div_ceil(cluster);
    let (q_squares, k_squares) = (squares(raw_queries, head.dim), squares(&head.k, head.dim));
    let largest = |squares: &[f64]| squares.iter().copied().fold(0.0, f64::max);
    let radius = largest(&q_squares) + largest(&k_squares);
    let mut list = memory::with_capacity("the support", rounds)?;
    for round in 0..rounds {
        let a = direction(seed, head.slice, round, head.dim + 2);
        // F(q) = [q; 0; sqrt(M² - |q|²)], G(k) = [k; sqrt(M² - |k|²); 0], M² = max|q|² + max|k|².
        let (for_keys, for_queries) = (f64::from(a[head.dim]), f64::from(a[head.dim + 1]));
        let queries = clusters_along(&a, raw_queries, for_queries, radius, &q_squares, clusters, clock)?;
        let keys = clusters_along(&a, &head.k, for_keys, radius, &k_squares, clusters, clock)?;
        list.push(Round::new(queries, keys, clusters)?);
        clock.lap(Task::Sort);
    }
    Ok(Buckets { rounds: list, latest: usize::MAX })
}

/// |x|² of each token.
fn squares(tokens: &[f32], dim: usize) -> Vec<f64> {
    let square = |token: &[f32]| token.iter().map(|&x| f64::from(x).powi(2)).sum();
    tokens.chunks_exact(dim).map(square).collect()
}

/// The cluster of each token: equal stretches along the projection on `direction`, ties by position.
fn clusters_along(
    direction: &[f32],
    tokens: &[f32],
    lift: f64,
    radius: f64,
    squares: &[f64],
    clusters: usize,
    clock: &mut Clock,
) -> Result<Vec<u32>> {
    let dim = direction.len() - 2;
    let mut order = memory::with_capacity("the support", squares.len())?;
    for ((token, square), index) in tokens.chunks_exact(dim).zip(squares).zip(0u32..) {
        let dot: f64 = token.iter().zip(direction).map(|(&x, &a)| f64::from(x) * f64::from(a)).sum();
        order.push(sortable(dot + lift * (radius - square).max(0.0).sqrt(), index));
    }
    let mut cluster_of = memory::filled("the support", squares.len(), 0u32)?;
    clock.lap(Task::Search);
    sort(&mut order, &mut memory::with_capacity("the support", squares.len())?);
    for (rank, &entry) in order.iter().enumerate() {
        cluster_of[entry as u32 as usize] = piece_of(rank, squares.len(), clusters) as u32;
    }
    clock.lap(Task::Sort);
    Ok(cluster_of)
}
