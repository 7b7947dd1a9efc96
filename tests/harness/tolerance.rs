//! How far f32 arithmetic may be from the f64 reference: first-order rounding analysis, entry by entry.
//!
//! Entry j of row i has a bound e_ij on the error of Â_ij / Z_i. To first order the row sum is then off by
//! sum_j e_ij, a probability by e_ij + |p_ij| sum_j e_ij, and an output by sum_j e_ij (|v_j| + |o_i|). To that comes
//! the rounding of the sums themselves.

use crate::oracle::balance::Rows;
use crate::oracle::estimator::Row;
use crate::oracle::head::Head;
use crate::oracle::kernel::{Centered, Kernel, Map, optimal_a};
use crate::oracle::supports::Mask;
use crate::oracle::{dot, norm};

/// Unit roundoff of f32.
pub const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// Below this f32 loses digits or flushes to zero.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Rounding of a sum of n terms, in units of UNIT times the sum of magnitudes: at most n, and 4 sqrt(n) with
/// overwhelming probability (Higham and Mary 2019).
pub fn growth(n: usize) -> f64 {
    (n as f64).min(4.0 * (n as f64).sqrt())
}

/// sum_c |x_c| |y_c|: what the rounding of x.y is proportional to.
fn magnitude(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x * y).abs()).sum()
}

/// Bounds for every row of one head under one feature map.
pub struct Rounding<'a> {
    head: &'a Head,
    features: Option<FeatureRounding>,
}

enum FeatureRounding {
    /// Relative error of the features of each query and each key, and their number.
    Positive { q: Vec<f64>, k: Vec<f64>, count: usize },
    /// Terms of a polynomial in q'.k' cancel: q', magnitudes of k' before centring, and q'.mu with its magnitude.
    Taylor { order: usize, q: Vec<Vec<f64>>, k: Vec<Vec<f64>>, factor: Vec<(f64, f64)> },
}

/// The bounds for one row.
pub struct RowBounds {
    /// e_ij.
    pub entry: Vec<f64>,
    /// Magnitude of what is summed up to Â_ij, over |Z_i|; |p_ij| where nothing cancels.
    pub size: Vec<f64>,
    /// Rounding of a sum over keys, relative to the sum of magnitudes.
    pub summation: f64,
}

impl<'a> Rounding<'a> {
    pub fn new(head: &'a Head, map: Option<&Map>) -> Rounding<'a> {
        Rounding { head, features: map.map(|map| FeatureRounding::new(head, map)) }
    }

    /// Bounds for `row`, the estimate of row i with `support` and without any fall-back.
    pub fn row(&self, i: usize, row: &Row, support: &Mask, kernel: Option<&Kernel>) -> RowBounds {
        let head = self.head;
        let ln_z = row.shift() + row.mass().abs().ln();
        let lost = self.underflow(i, kernel, ln_z);
        let (mut entry, mut size) = (vec![0.0; head.keys], vec![0.0; head.keys]);
        for j in (0..head.keys).filter(|&j| head.visible(i, j)) {
            let p = row.entries[j].relative_to(ln_z).abs();
            (entry[j], size[j]) = match &self.features {
                _ if support.contains(i, j) => (p * self.logit(i, j, ln_z), p),
                Some(features) => features.entry(i, j, p, ln_z),
                None => (0.0, 0.0),
            };
            entry[j] += lost;
        }
        let features = self.features.as_ref().map_or(0, |f| f.count(head.dim));
        let summation = UNIT * (growth(head.visible_keys(i)) + growth(features) + 4.0);
        RowBounds { entry, size, summation }
    }

    /// Relative error of exp(s_ij - ln Z): b q.k of rounded products, and an argument that was rounded again.
    fn logit(&self, i: usize, j: usize, ln_z: f64) -> f64 {
        let (q, k) = (self.head.query(i), self.head.key(j));
        let product = self.head.b * magnitude(q, k);
        UNIT * ((growth(self.head.dim) + 3.0) * product + (self.head.logit(i, j) - ln_z).abs() + 4.0)
    }

    /// Features are stored relative to the largest product of a row: what is 2^-126 of it may be lost.
    fn underflow(&self, i: usize, kernel: Option<&Kernel>, ln_z: f64) -> f64 {
        let Some(Kernel::Positive { q, k }) = kernel else { return 0.0 };
        let visible = (0..self.head.keys).filter(|&j| self.head.visible(i, j));
        let largest =
            visible.flat_map(|j| q[i].iter().zip(&k[j]).map(|(u, z)| u + z)).fold(f64::NEG_INFINITY, f64::max);
        2.0 * q[i].len() as f64 * TINY * (largest - ln_z).exp()
    }
}

impl RowBounds {
    /// Relative error of the row sum. From 0.1 on the first-order analysis says nothing: rounding may have turned
    /// the row into anything, even one that falls back.
    pub fn mass(&self) -> f64 {
        self.entry.iter().sum::<f64>() + self.summation * self.size.iter().sum::<f64>()
    }

    pub fn decided(&self) -> bool {
        self.mass() < 0.1
    }

    /// Bound on the error of p_ij.
    pub fn probability(&self, j: usize, p: f64) -> f64 {
        self.entry[j] + p.abs() * (self.mass() + 4.0 * UNIT) + TINY
    }

    /// Σ_j |p_ij v_jc|, of which component c of the output is made.
    pub fn magnitude(&self, head: &Head, c: usize) -> f64 {
        self.size.iter().enumerate().map(|(j, size)| size * head.value(j)[c].abs()).sum()
    }

    /// Bound on the error of component c of the output.
    pub fn output(&self, head: &Head, c: usize, output: f64) -> f64 {
        let weighted =
            |weights: &[f64]| -> f64 { weights.iter().enumerate().map(|(j, w)| w * head.value(j)[c].abs()).sum() };
        weighted(&self.entry) + self.summation * weighted(&self.size) + output.abs() * (self.mass() + 4.0 * UNIT) + TINY
    }
}

impl FeatureRounding {
    fn new(head: &Head, map: &Map) -> FeatureRounding {
        match map {
            Map::Favor { directions, center, balance, hyperbolic } => {
                let count = directions.len() * (1 + usize::from(*hyperbolic));
                FeatureRounding::exponential(head, &Centered::new(head, *center, *balance), directions, 0.0, count)
            }
            Map::Optimal { directions, center, balance, spread } => {
                let centered = Centered::new(head, *center, *balance);
                let a = optimal_a(spread.unwrap_or_else(|| centered.spread(head)), head.dim);
                FeatureRounding::exponential(head, &centered, directions, a, directions.len())
            }
            Map::Elu => {
                // Relative error of exp(x') for x' < 0 is that of its argument.
                let token = |x: Vec<f64>| UNIT * (3.0 * x.iter().fold(0.0, |m, x| f64::max(m, -x)) + 4.0);
                FeatureRounding::Positive {
                    q: (0..head.queries).map(|i| token(head.scaled_query(i))).collect(),
                    k: (0..head.keys).map(|j| token(head.scaled_key(j))).collect(),
                    count: head.dim,
                }
            }
            Map::Taylor { order } => {
                let Centered { q, mean_k, .. } = Centered::keys_only(head, !head.causal);
                FeatureRounding::Taylor {
                    order: *order,
                    factor: q.iter().map(|q| (dot(q, &mean_k), magnitude(q, &mean_k))).collect(),
                    q,
                    k: (0..head.keys).map(|j| plus_magnitudes(&head.scaled_key(j), &mean_k)).collect(),
                }
            }
        }
    }

    /// ln f_r(x) = constant_r + stretch w_r.x' - |x'|^2/2 + (x.mean of the other side), each term rounded.
    fn exponential(head: &Head, centered: &Centered, directions: &[Vec<f64>], a: f64, count: usize) -> FeatureRounding {
        let Centered { mean_q, mean_k, balance, .. } = centered;
        let stretch = (1.0 - 4.0 * a).sqrt();
        let token = |x: Vec<f64>, own: &[f64], other: &[f64], balanced: Option<Vec<f64>>| {
            let x = plus_magnitudes(&x, own);
            let given = balanced.unwrap_or_else(|| x.clone());
            let term = |w: &Vec<f64>| {
                let constant = head.dim as f64 / 4.0 * (1.0 - 4.0 * a).ln() + a.abs() * dot(w, w);
                stretch * magnitude(w, &given) + constant
            };
            let largest = directions.iter().map(term).fold(0.0, f64::max);
            let count = (directions.len() as f64).ln();
            UNIT * (growth(head.dim) + 6.0) * (largest + norm(&given).powi(2) / 2.0 + magnitude(&x, other) + count)
        };
        let query = |i| {
            let given = balance.as_ref().map(|b| plus_condition(&centered.query(i), &b.m, &centered.q[i]));
            token(head.scaled_query(i), mean_q, mean_k, given)
        };
        let key = |j| {
            let given =
                balance.as_ref().map(|b| plus_condition(&centered.key(j), &b.inverse_transposed, &centered.k[j]));
            token(head.scaled_key(j), mean_k, mean_q, given)
        };
        FeatureRounding::Positive {
            q: (0..head.queries).map(query).collect(),
            k: (0..head.keys).map(key).collect(),
            count,
        }
    }

    fn count(&self, dim: usize) -> usize {
        match self {
            FeatureRounding::Positive { count, .. } => *count,
            FeatureRounding::Taylor { order: 1, .. } => 1 + dim,
            FeatureRounding::Taylor { .. } => 1 + dim + dim * (dim + 1) / 2,
        }
    }

    /// (e_ij, size_ij) of a low-rank entry whose magnitude over |Z| is p.
    fn entry(&self, i: usize, j: usize, p: f64, ln_z: f64) -> (f64, f64) {
        match self {
            FeatureRounding::Positive { q, k, count } => (p * (q[i] + k[j] + UNIT * (growth(*count) + 8.0)), p),
            FeatureRounding::Taylor { order, q, k, factor } => {
                let dim = q[i].len();
                let t = magnitude(&q[i], &k[j]);
                let (ln_row, row_magnitude) = factor[i];
                let row = (ln_row - ln_z).exp();
                let size = row * if *order == 1 { 1.0 + t } else { 1.0 + t + t * t };
                let terms = growth(self.count(dim)) + growth(dim) + 8.0;
                (UNIT * (size * terms + p * (growth(dim) + 3.0) * row_magnitude), size)
            }
        }
    }
}

fn plus_magnitudes(x: &[f64], mean: &[f64]) -> Vec<f64> {
    x.iter().zip(mean).map(|(x, m)| x.abs() + m.abs()).collect()
}

/// |x'| of a balanced token, whose change of variables is itself only known as well as f64 can find it: moments have
/// conditions up to 10^6 dim. In units of f32's roundoff that is a small share of the terms that x' is summed from.
fn plus_condition(changed: &[f64], rows: &Rows, x: &[f64]) -> Vec<f64> {
    let condition = 1e6 * x.len() as f64 * (f64::EPSILON / UNIT);
    changed.iter().zip(rows).map(|(y, row)| y.abs() + condition * magnitude(row, x)).collect()
}
