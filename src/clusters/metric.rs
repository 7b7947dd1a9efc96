//! Distances between keys as queries see them: `|k - k'|² = mean over queries of (q·(k - k'))²`.
//!
//! Two keys are close when their logits are, whatever their distance in space. With S = QᵀQ / n = L Lᵀ that
//! distance is Euclidean between Lᵀk and Lᵀk', and the mean squared distance of a cluster's keys from their
//! centroid is the variance of their logits, averaged over queries.

use crate::clusters::tree::WHAT;
use crate::error::Result;
use crate::moments::{Moments, cholesky, stride};
use crate::simd::{LANES, Panels, row_product};

pub(super) struct Metric {
    dim: usize,
    /// L, lower triangular, `[dim, dim]`.
    lower: Panels,
}

impl Metric {
    /// Of queries, whose moments are about 0. O(dim³).
    pub fn new(queries: &Moments, dim: usize) -> Result<Metric> {
        let mut lower = queries.mean(WHAT)?;
        cholesky(&mut lower, dim);
        let rows: Vec<f32> = lower.chunks_exact(stride(dim)).flat_map(|row| &row[..dim]).map(|&x| x as f32).collect();
        Ok(Metric { dim, lower: Panels::from_rows(WHAT, &rows, dim, dim)? })
    }

    /// Lᵀ(k - mean) of each key, row-major, into `out`: distances do not depend on the mean, and what all keys have in
    /// common takes no digits.
    pub fn transform(&self, keys: &[f32], out: &mut [f32]) {
        let mut mean = vec![0.0f64; self.dim];
        for key in keys.chunks_exact(self.dim) {
            mean.iter_mut().zip(key).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let count = (keys.len() / self.dim).max(1) as f64;
        mean.iter_mut().for_each(|sum| *sum /= count);
        let mut centred = vec![0.0f32; self.dim];
        for (key, out) in keys.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)) {
            centred.iter_mut().zip(key).zip(&mean).for_each(|((out, &x), mean)| *out = (f64::from(x) - mean) as f32);
            for (p, out) in out.chunks_mut(LANES).enumerate() {
                // Rows above the diagonal are 0.
                let first = p * LANES;
                let sums = row_product(&centred[first..], &self.lower.panel(p)[first..]);
                out.copy_from_slice(&sums[..out.len()]);
            }
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
        let mut moments = Moments::new(WHAT, vec![0.0; dim]).unwrap();
        queries.chunks(6).for_each(|some| moments.add(some));
        let metric = Metric::new(&moments, dim).unwrap();
        let keys = [0.3, -1.0, 2.0, 1.5, 0.25, -0.5];
        let mut points = [0.0; 6];
        metric.transform(&keys, &mut points);
        let square: f32 = (0..3).map(|d| (points[d] - points[3 + d]).powi(2)).sum();
        let dot = |q: &[f32]| q.iter().zip(0..).map(|(a, d)| a * (keys[d] - keys[3 + d])).sum::<f32>();
        let mean: f32 = queries.chunks_exact(dim).map(|q| dot(q).powi(2)).sum::<f32>() / 10.0;
        assert!((square - mean).abs() < 1e-4 * mean, "{square} {mean}");
    }
}
