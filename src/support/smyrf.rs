//! SMYRF (Daras, Kitaev, Odena, Dimakis 2020): asymmetric transformations that turn inner products into
//! distances, one random projection, and equal clusters along it.

use crate::attention::{Clock, Head, Task};
use crate::error::Result;
use crate::features::FIRST;
use crate::memory;
use crate::random::{Purpose, generator, normals};
use crate::simd::{LANES, gather_columns, largest_of, row_product, scale_columns};
use crate::support::{Buckets, Round, piece_of, sort, sortable};

/// Elements of tokens saturate here: sums of their squares then stay finite.
const LIMIT: f32 = 1e17;

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
    let directions: Vec<Vec<f32>> = (0..rounds).map(|round| direction(seed, head.slice, round, head.dim + 2)).collect();
    let of_queries = projections(raw_queries, &directions)?;
    let of_keys = projections(&head.k, &directions)?;
    // F(q) = [q; 0; sqrt(M² - |q|²)], G(k) = [k; sqrt(M² - |k|²); 0], M² = max|q|² + max|k|².
    let (q_squares, on_queries) = of_queries.split_at(head.queries);
    let (k_squares, on_keys) = of_keys.split_at(head.keys);
    let radius = largest_of(q_squares) + largest_of(k_squares);
    clock.lap(Task::Search);
    let mut list = memory::with_capacity("the support", rounds)?;
    let on = on_queries.chunks_exact(head.queries).zip(on_keys.chunks_exact(head.keys));
    for ((on_queries, on_keys), direction) in on.zip(&directions) {
        let (for_keys, for_queries) = (direction[head.dim], direction[head.dim + 1]);
        let queries = clusters_along(on_queries, for_queries, radius, q_squares, clusters)?;
        let keys = clusters_along(on_keys, for_keys, radius, k_squares, clusters)?;
        list.push(Round::new(queries, keys, clusters)?);
    }
    clock.lap(Task::Sort);
    Ok(Buckets { rounds: list, latest: usize::MAX })
}

/// |x|²/2 of each token, then its inner product with each direction, `[1 + directions, tokens]`.
fn projections(tokens: &[f32], directions: &[Vec<f32>]) -> Result<Vec<f32>> {
    let dim = directions[0].len() - 2;
    let count = tokens.len() / dim;
    let mut out = memory::zeros("the support", (1 + directions.len()) * count)?;
    let mut columns = vec![[0.0; LANES]; dim];
    for (n, tokens) in tokens.chunks(LANES * dim).enumerate() {
        let own = n * LANES..n * LANES + tokens.len() / dim;
        gather_columns(tokens, &FIRST[..own.len()], &mut columns);
        let half_squares = scale_columns(&mut columns, 1.0, LIMIT);
        out[own.clone()].copy_from_slice(&half_squares[..own.len()]);
        for (row, direction) in out.chunks_exact_mut(count).skip(1).zip(directions) {
            row[own.clone()].copy_from_slice(&row_product(&direction[..dim], &columns)[..own.len()]);
        }
    }
    Ok(out)
}

/// The cluster of each token: equal stretches along one direction, ties by position. `lift` is the direction's component
/// along what makes all lengths equal.
fn clusters_along(on: &[f32], lift: f32, radius: f32, half_squares: &[f32], clusters: usize) -> Result<Vec<u32>> {
    let mut order = memory::with_capacity("the support", on.len())?;
    for ((x, half_square), index) in on.iter().zip(half_squares).zip(0u32..) {
        let length = 2.0 * f64::from(radius - half_square).max(0.0);
        order.push(sortable(f64::from(*x) + f64::from(lift) * length.sqrt(), index));
    }
    sort(&mut order, &mut memory::with_capacity("the support", on.len())?);
    let mut cluster_of = memory::filled("the support", on.len(), 0u32)?;
    for (rank, &entry) in order.iter().enumerate() {
        cluster_of[entry as u32 as usize] = piece_of(rank, on.len(), clusters) as u32;
    }
    Ok(cluster_of)
}
