//! Distances between keys as queries see them: `|k - k'|² = mean over queries of (q·(k - k'))²`.
//!
//! Two keys are close when their logits are, whatever their distance in space. With S = QᵀQ / n = L Lᵀ that
//! distance is Euclidean between Lᵀk and Lᵀk', and the mean squared distance of a cluster's keys from their
//! centroid is the variance of their logits, averaged over queries.

use crate::error::Result;
use crate::moments::{cholesky, second_moment, stride};
use crate::simd::add_weighted_rows;

pub(crate) struct Metric {
    dim: usize,
    /// L, lower triangular, row-major `[dim, stride(dim)]`.
    lower: Vec<f64>,
}

impl Metric {
    /// From queries, row-major `[_, dim]`. O(queries · dim²).
    pub fn new(queries: &[f32], dim: usize) -> Result<Metric> {
        let mut lower = second_moment("the cluster tree", queries, &vec![0.0; dim])?;
        cholesky(&mut lower, dim);
        Ok(Metric { dim, lower })
    }

    /// Lᵀk of each key, row-major, into `out`.
    pub fn transform(&self, keys: &[f32], out: &mut [f32]) {
        let mut weights = vec![0.0f64; self.dim];
        let mut sums = vec![0.0f64; stride(self.dim)];
        for (key, out) in keys.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)) {
            weights.iter_mut().zip(key).for_each(|(weight, &x)| *weight = f64::from(x));
            sums.fill(0.0);
            add_weighted_rows(&weights, &self.lower, &mut sums);
            out.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = sum as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_is_the_mean_squared_logit_difference() {
        let dim = 3;
        let queries: Vec<f32> = (0..30).map(|i| (i as f32 * 1.3).sin()).collect();
        let metric = Metric::new(&queries, dim).unwrap();
        let key = [0.3, -1.0, 2.0];
        let mut x = [0.0; 3];
        metric.transform(&key, &mut x);
        let square: f32 = x.iter().map(|x| x * x).sum();
        let dot = |q: &[f32]| q.iter().zip(&key).map(|(a, b)| a * b).sum::<f32>();
        let mean: f32 = queries.chunks_exact(dim).map(|q| dot(q).powi(2)).sum::<f32>() / 10.0;
        assert!((square - mean).abs() < 1e-4 * mean, "{square} {mean}");
    }
}
