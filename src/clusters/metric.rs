//! Distances between keys as queries see them: `|k - k'|² = mean over queries of (q·(k - k'))²`.
//!
//! Two keys are close when their logits are, whatever their distance in space. With S = QᵀQ / n = L Lᵀ that
//! distance is Euclidean between Lᵀk and Lᵀk', and the mean squared distance of a cluster's keys from their
//! centroid is the variance of their logits, averaged over queries.

use crate::clusters::tree::WHAT;
use crate::error::Result;
use crate::memory;

/// QᵀQ of the queries seen so far.
pub(super) struct Moments {
    dim: usize,
    /// Row-major, its lower half.
    sums: Vec<f64>,
    count: usize,
}

impl Moments {
    pub fn new(dim: usize) -> Result<Moments> {
        Ok(Moments { dim, sums: memory::filled(WHAT, dim * dim, 0.0)?, count: 0 })
    }

    /// Adds queries, row-major `[_, dim]`. O(queries · dim²).
    pub fn add(&mut self, queries: &[f32]) {
        for query in queries.chunks_exact(self.dim) {
            for (i, row) in self.sums.chunks_exact_mut(self.dim).enumerate() {
                let x = f64::from(query[i]);
                row[..=i].iter_mut().zip(query).for_each(|(sum, &y)| *sum += x * f64::from(y));
            }
        }
        self.count += queries.len() / self.dim;
    }
}

pub(super) struct Metric {
    dim: usize,
    /// L, lower triangular, row-major.
    lower: Vec<f64>,
}

impl Metric {
    /// Of the queries seen so far. O(dim³).
    pub fn new(moments: &Moments) -> Result<Metric> {
        let dim = moments.dim;
        let count = moments.count.max(1) as f64;
        let mut s = memory::with_capacity(WHAT, dim * dim)?;
        s.extend(moments.sums.iter().map(|sum| sum / count));
        let trace: f64 = (0..dim).map(|i| s[i * dim + i]).sum();
        // Queries may span less than the space; no direction may count for nothing at all.
        let floor = (1e-6 * trace / dim as f64).max(f64::MIN_POSITIVE);
        (0..dim).for_each(|i| s[i * dim + i] += floor);
        cholesky(&mut s, dim, floor);
        Ok(Metric { dim, lower: s })
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
        let mut sums = vec![0.0f64; self.dim];
        for (key, out) in keys.chunks_exact(self.dim).zip(out.chunks_exact_mut(self.dim)) {
            sums.fill(0.0);
            for ((row, &x), mean) in self.lower.chunks_exact(self.dim).zip(key).zip(&mean) {
                let x = f64::from(x) - mean;
                sums.iter_mut().zip(row).for_each(|(sum, l)| *sum += l * x);
            }
            out.iter_mut().zip(&sums).for_each(|(out, &sum)| *out = sum as f32);
        }
    }
}

/// The lower Cholesky factor, in place of the lower half of `s`; the upper half becomes 0.
fn cholesky(s: &mut [f64], dim: usize, floor: f64) {
    for j in 0..dim {
        for i in j..dim {
            let dot: f64 = (0..j).map(|k| s[i * dim + k] * s[j * dim + k]).sum();
            let rest = s[i * dim + j] - dot;
            s[i * dim + j] = if i == j { rest.max(floor * 1e-6).sqrt() } else { rest / s[j * dim + j] };
        }
        s[j * dim + j + 1..(j + 1) * dim].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_is_the_mean_squared_logit_difference() {
        let dim = 3;
        let queries: Vec<f32> = (0..30).map(|i| (i as f32 * 1.3).sin()).collect();
        let mut moments = Moments::new(dim).unwrap();
        queries.chunks(6).for_each(|some| moments.add(some));
        let metric = Metric::new(&moments).unwrap();
        let keys = [0.3, -1.0, 2.0, 1.5, 0.25, -0.5];
        let mut points = [0.0; 6];
        metric.transform(&keys, &mut points);
        let square: f32 = (0..3).map(|d| (points[d] - points[3 + d]).powi(2)).sum();
        let dot = |q: &[f32]| q.iter().zip(0..).map(|(a, d)| a * (keys[d] - keys[3 + d])).sum::<f32>();
        let mean: f32 = queries.chunks_exact(dim).map(|q| dot(q).powi(2)).sum::<f32>() / 10.0;
        assert!((square - mean).abs() < 1e-4 * mean, "{square} {mean}");
    }
}
