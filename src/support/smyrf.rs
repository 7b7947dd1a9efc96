//! SMYRF (Daras, Kitaev, Odena, Dimakis 2020): asymmetric transformations that turn inner products into
//! distances, one random projection, and equal clusters along it.

use crate::attention::Head;
use crate::error::Result;
use crate::memory;
use crate::random::{Purpose, generator, normals};
use crate::support::{piece, piece_of};

/// The Gaussian direction of round `round` of slice `slice` = batch · heads + head, `len` = dim + 2 long.
pub fn direction(seed: u64, slice: usize, round: usize, len: usize) -> Vec<f32> {
    let drawn = normals(&mut generator(seed, slice, Purpose::Hash { round }), len);
    drawn.iter().map(|&x| x as f32).collect()
}

/// Clusters of one head.
pub(crate) struct Smyrf {
    rounds: Vec<Round>,
    clusters: usize,
}

struct Round {
    /// Cluster of each query.
    queries: Vec<u32>,
    /// Keys along the direction.
    order: Vec<u32>,
}

impl Smyrf {
    /// O(rounds · tokens · (dim + log tokens)).
    pub fn new(seed: u64, head: &Head, cluster: usize, rounds: usize) -> Result<Smyrf> {
        let clusters = head.keys.div_ceil(cluster);
        let from_scaled = 1.0 / head.logit_scale;
        let q_squares = squares(&head.q, head.dim, from_scaled);
        let k_squares = squares(&head.k, head.dim, 1.0);
        let largest = |squares: &[f64]| squares.iter().copied().fold(0.0, f64::max);
        let radius = largest(&q_squares) + largest(&k_squares);
        let mut list = memory::with_capacity("cluster rounds", rounds)?;
        for round in 0..rounds {
            let a = direction(seed, head.slice, round, head.dim + 2);
            // F(q) = [q; 0; sqrt(M² - |q|²)], G(k) = [k; sqrt(M² - |k|²); 0], M² = max|q|² + max|k|².
            let (for_keys, for_queries) = (f64::from(a[head.dim]), f64::from(a[head.dim + 1]));
            let queries = order(&head.q, &a, from_scaled, for_queries, radius, &q_squares)?;
            let order = order(&head.k, &a, 1.0, for_keys, radius, &k_squares)?;
            let mut own = memory::filled("clusters of queries", head.queries, 0u32)?;
            for (rank, &query) in queries.iter().enumerate() {
                own[query as usize] = piece_of(rank, head.queries, clusters) as u32;
            }
            list.push(Round { queries: own, order });
        }
        Ok(Smyrf { rounds: list, clusters })
    }

    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// The keys of `query` in one round.
    pub fn keys(&self, query: usize, round: usize) -> &[u32] {
        let Round { queries, order } = &self.rounds[round];
        &order[piece(queries[query] as usize, order.len(), self.clusters)]
    }
}

/// |x|² of each token times factor².
fn squares(tokens: &[f32], dim: usize, factor: f64) -> Vec<f64> {
    let square = |token: &[f32]| token.iter().map(|&x| (f64::from(x) * factor).powi(2)).sum();
    tokens.chunks_exact(dim).map(square).collect()
}

/// Tokens by their projection on `direction`; ties by position.
fn order(tokens: &[f32], direction: &[f32], factor: f64, lift: f64, radius: f64, squares: &[f64]) -> Result<Vec<u32>> {
    let dim = direction.len() - 2;
    let mut projections = memory::with_capacity("projections", squares.len())?;
    for (token, square) in tokens.chunks_exact(dim).zip(squares) {
        let dot: f64 = token.iter().zip(direction).map(|(&x, &a)| f64::from(x) * factor * f64::from(a)).sum();
        projections.push(dot + lift * (radius - square).max(0.0).sqrt());
    }
    let mut order = memory::with_capacity("cluster order", squares.len())?;
    order.extend(0..squares.len() as u32);
    order.sort_by(|&a, &b| projections[a as usize].total_cmp(&projections[b as usize]));
    Ok(order)
}
