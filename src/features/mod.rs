//! Feature maps f with `f(q)·f(k) ~ exp(b q·k)`, b = scale / temperature: the low-rank part.
//!
//! Positive maps are kept as logarithms until something to subtract from them is known, so that no
//! temperature overflows them. Taylor polynomials have negative features and are kept as values.

mod balance;
mod directions;
mod keys;
mod polynomial;

pub(crate) use balance::Balance;
pub use directions::directions;
pub(crate) use keys::KeyFeatures;

use crate::attention::{Head, saturate};
use crate::error::Result;
use crate::moments::stride;
use crate::plan::{FeaturePlan, Plan};
use crate::simd::{LANES, Lanes, Panels, add_weighted_rows, exp_tile, gather_columns, largest, outer_sum, panel_count};
use crate::simd::{product, scale_columns};

/// Elements of inputs scaled by sqrt(b) saturate here: squared norms then stay finite.
const INPUT_LIMIT: f32 = 1e15;

/// Logarithms of weights and factors saturate here, as those of features do by [`INPUT_LIMIT`].
const LOG_LIMIT: f64 = 1e33;

/// A feature map fitted to one head.
pub(crate) struct FeatureMap {
    kind: Kind,
    count: usize,
    queries: Side,
    keys: Side,
}

/// From the head's scaled queries, or from its keys, to x'.
struct Side {
    /// What is subtracted first, where the map is centred.
    mean: Option<Vec<f64>>,
    change: Change,
}

enum Change {
    /// x' = sqrt(b) x.
    Factor(f64),
    /// One side of a [`Balance`].
    Rows(Vec<f64>),
}

enum Kind {
    /// `exp(constant_r + w_r·x' - |x'|²/2)`.
    Exponential {
        directions: Panels,
        /// -inf for features that only pad the last panel.
        constants: Vec<f32>,
    },
    Elu,
    Taylor {
        order: usize,
    },
}

impl FeatureMap {
    /// Draws or fits the map. O(features · dim²) for random features.
    pub fn new(features: FeaturePlan, plan: &Plan, head: &Head) -> Result<FeatureMap> {
        let (dim, count) = (head.dim, features.count(head.dim));
        let center_keys = match features {
            FeaturePlan::Taylor { .. } => !head.causal,
            _ => features.center(),
        };
        let query_mean = features.center().then(|| mean(&head.q, dim));
        let key_mean = center_keys.then(|| mean(&head.k, dim));
        let (change_queries, change_keys) = if features.balance() {
            let zeros = vec![0.0; dim];
            let [about_queries, about_keys] = [&query_mean, &key_mean].map(|mean| mean.as_ref().unwrap_or(&zeros));
            let Balance { queries, keys } = Balance::new(head, about_queries, about_keys)?;
            (Change::Rows(queries), Change::Rows(keys))
        } else {
            let root = plan.logit_scale.sqrt();
            (Change::Factor(1.0 / root), Change::Factor(root))
        };
        let mut map = FeatureMap {
            kind: Kind::Elu,
            count,
            queries: Side { mean: query_mean, change: change_queries },
            keys: Side { mean: key_mean, change: change_keys },
        };
        map.kind = match features {
            FeaturePlan::Favor { hyperbolic, .. } => map.exponential(plan, head, hyperbolic, 0.0)?,
            FeaturePlan::Optimal { spread, .. } => {
                let spread = spread.unwrap_or_else(|| map.spread(head));
                map.exponential(plan, head, false, optimal_tilt(spread, dim))?
            }
            FeaturePlan::Elu => Kind::Elu,
            FeaturePlan::Taylor { order } => Kind::Taylor { order },
        };
        Ok(map)
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether features are given as logarithms.
    pub fn is_log(&self) -> bool {
        !matches!(self.kind, Kind::Taylor { .. })
    }

    /// FAVOR+ (`tilt` = 0), or the optimal map with its parameter A = `tilt`:
    /// `(1 - 4A)^(d/4) exp(A|w|² + sqrt(1 - 4A) w·x' - |x'|²/2) / sqrt(m)`.
    fn exponential(&self, plan: &Plan, head: &Head, hyperbolic: bool, tilt: f64) -> Result<Kind> {
        let (dim, count) = (head.dim, self.count);
        let drawn = if hyperbolic { count / 2 } else { count };
        let mut w = directions(plan.seed, head.slice, dim, drawn);
        if hyperbolic {
            w.extend_from_within(..);
            w[drawn * dim..].iter_mut().for_each(|x| *x = -*x);
        }
        let constant = dim as f64 / 4.0 * (1.0 - 4.0 * tilt).ln() - (count as f64).ln() / 2.0;
        let mut constants = vec![f32::NEG_INFINITY; panel_count(count) * LANES];
        for (out, w) in constants.iter_mut().zip(w.chunks_exact(dim)) {
            *out = (constant + tilt * w.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()) as f32;
        }
        let stretch = (1.0 - 4.0 * tilt).sqrt() as f32;
        let directions = Panels::from_columns("feature directions", &w, count, dim, stretch)?;
        Ok(Kind::Exponential { directions, constants })
    }

    /// Mean over queries and keys of |q' + k'|².
    fn spread(&self, head: &Head) -> f64 {
        let (q_square, q_mean) = self.queries.lengths(&head.q, head.dim);
        let (k_square, k_mean) = self.keys.lengths(&head.k, head.dim);
        q_square + k_square + 2.0 * q_mean.iter().zip(&k_mean).map(|(q, k)| q * k).sum::<f64>()
    }

    /// Features of all keys, `[keys, features]`: logarithms or values. Features that only pad the last panel
    /// are 0, as a value or a logarithm's.
    pub fn keys(&self, head: &Head) -> Result<Panels> {
        let mut panels = Panels::filled("key features", head.keys, self.count, self.nothing())?;
        let mut columns = vec![[0.0; LANES]; head.dim];
        let mut transposed = vec![[0.0; LANES]; self.count];
        for first in (0..head.keys).step_by(LANES) {
            let last = head.keys.min(first + LANES);
            let half_squares = self.keys.columns(&head.k[first * head.dim..last * head.dim], &mut columns);
            match &self.kind {
                Kind::Exponential { directions, constants } => {
                    let mut offsets = half_squares.map(|x| -x);
                    for (j, offset) in (first..last).zip(&mut offsets) {
                        *offset += self.log_weight(head, j) as f32;
                    }
                    for (p, constants) in constants.as_chunks().0.iter().enumerate() {
                        let mut tile = [[0.0; LANES]; LANES];
                        outer_sum(&offsets, constants, &mut tile);
                        product(&columns, directions.panel(p), &mut tile, true);
                        panels.panel_mut(p)[first..last].copy_from_slice(&tile[..last - first]);
                    }
                }
                Kind::Elu => {
                    polynomial::log_elu(&columns, &mut transposed);
                    panels.put_columns(first..last, &transposed);
                }
                Kind::Taylor { order } => {
                    polynomial::taylor(&columns, *order, &mut transposed);
                    panels.put_columns(first..last, &transposed);
                }
            }
        }
        Ok(panels)
    }

    /// Centring queries leaves each key a weight, `exp(mean_q·(k - mean_k))`; its logarithm.
    fn log_weight(&self, head: &Head, key: usize) -> f64 {
        let Some(query_mean) = &self.queries.mean else { return 0.0 };
        let k = &head.k[key * head.dim..(key + 1) * head.dim];
        let mean = self.keys.mean.iter().flatten();
        let weight = |k: &f32, q: &f64, mean: f64| (f64::from(*k) - mean) * q;
        let terms = k.iter().zip(query_mean).zip(mean.copied().chain(std::iter::repeat(0.0)));
        terms.map(|((k, q), mean)| weight(k, q, mean)).sum::<f64>().clamp(-LOG_LIMIT, LOG_LIMIT)
    }

    /// Centring keys leaves each row a factor, `exp(q·mean_k)`; its logarithm.
    fn log_factor(&self, head: &Head, query: usize) -> f64 {
        let Some(mean) = &self.keys.mean else { return 0.0 };
        let dot = head.query(query).iter().zip(mean).map(|(&q, m)| f64::from(q) * m);
        dot.sum::<f64>().clamp(-LOG_LIMIT, LOG_LIMIT)
    }

    /// Logarithms that the features start from: those of the scales given, one a feature, and what the map itself adds.
    pub fn starts(&self, log_scale: &[f32]) -> Vec<f32> {
        match &self.kind {
            Kind::Exponential { constants, .. } => constants.iter().zip(log_scale).map(|(x, y)| x + y).collect(),
            _ => log_scale.to_vec(),
        }
    }

    /// Features of queries `first..last` (at most 16), `[padded features, 16]`, given [`starts`](Self::starts): values
    /// without them, or logarithms, which are to be lowered by what is returned.
    pub fn unscaled_queries(&self, head: &Head, first: usize, last: usize, starts: &[f32]) -> (Vec<Lanes>, Lanes) {
        let mut columns = vec![[0.0; LANES]; head.dim];
        let half_squares = self.queries.columns(&head.q[first * head.dim..last * head.dim], &mut columns);
        let mut features = vec![[0.0; LANES]; panel_count(self.count) * LANES];
        match &self.kind {
            Kind::Exponential { directions, .. } => {
                outer_sum(starts, &[0.0; LANES], &mut features);
                for (p, tile) in features.as_chunks_mut().0.iter_mut().enumerate() {
                    product(directions.panel(p), &columns, tile, true);
                }
                return (features, half_squares);
            }
            Kind::Elu => {
                features[self.count..].fill([self.nothing(); LANES]);
                polynomial::log_elu(&columns, &mut features);
                for (row, start) in features.iter_mut().zip(starts) {
                    row.iter_mut().for_each(|x| *x += start);
                }
            }
            Kind::Taylor { order } => polynomial::taylor(&columns, *order, &mut features),
        }
        (features, [0.0; LANES])
    }

    /// Features of queries `first..last` (at most 16), given [`starts`](Self::starts) with the finite log scale of each key
    /// feature: scaled so that the largest of a row is 1 in size, with the logarithm of what was divided out.
    pub fn queries(&self, head: &Head, first: usize, last: usize, starts: &[f32]) -> QueryTile {
        let (mut features, lowered) = self.unscaled_queries(head, first, last, starts);
        let mut scale = [0.0; LANES];
        if self.is_log() {
            let largest = largest(&features, &[f32::NEG_INFINITY; LANES]);
            exp_tile(&mut features, &largest);
            scale = std::array::from_fn(|lane| f64::from(largest[lane]) - f64::from(lowered[lane]));
        } else {
            for (lane, scale) in scale.iter_mut().enumerate().take(last - first) {
                let mut own: Vec<f32> = features[..self.count].iter().map(|row| row[lane]).collect();
                *scale = scale_values(&mut own, starts);
                features.iter_mut().zip(own).for_each(|(row, x)| row[lane] = x);
            }
        }
        for (lane, scale) in scale.iter_mut().enumerate().take(last - first) {
            *scale += self.log_factor(head, first + lane);
        }
        QueryTile { features, log_scale: scale }
    }

    /// A feature that only pads the last panel: 0, as a value or a logarithm's.
    fn nothing(&self) -> f32 {
        if self.is_log() { f32::NEG_INFINITY } else { 0.0 }
    }
}

impl Side {
    /// Writes x' of up to 16 tokens as columns `[dim, 16]`; returns |x'|²/2 of each.
    fn columns(&self, tokens: &[f32], columns: &mut [Lanes]) -> Lanes {
        let dim = columns.len();
        if let (None, Change::Factor(factor)) = (&self.mean, &self.change) {
            gather_columns(tokens, &FIRST[..tokens.len() / dim], columns);
            return scale_columns(columns, factor.min(f64::from(f32::MAX)) as f32, INPUT_LIMIT);
        }
        let mut centred = vec![0.0; dim];
        let mut changed = vec![0.0; stride(dim)];
        columns.fill([0.0; LANES]);
        for (lane, token) in tokens.chunks_exact(dim).enumerate() {
            centred.iter_mut().zip(token).for_each(|(out, &x)| *out = f64::from(x));
            for (x, mean) in centred.iter_mut().zip(self.mean.iter().flatten()) {
                *x -= mean;
            }
            match &self.change {
                Change::Factor(factor) => changed.iter_mut().zip(&centred).for_each(|(out, x)| *out = x * factor),
                Change::Rows(rows) => {
                    changed.fill(0.0);
                    add_weighted_rows(&centred, rows, &mut changed);
                }
            }
            let limit = f64::from(INPUT_LIMIT);
            columns.iter_mut().zip(&changed).for_each(|(column, &x)| column[lane] = saturate(x, limit));
        }
        scale_columns(columns, 1.0, INPUT_LIMIT)
    }

    /// Means over tokens of |x'|² and of x'.
    fn lengths(&self, tokens: &[f32], dim: usize) -> (f64, Vec<f64>) {
        let (mut square, mut mean) = (0.0, vec![0.0; dim]);
        let mut columns = vec![[0.0; LANES]; dim];
        for tokens in tokens.chunks(LANES * dim) {
            let half_squares = self.columns(tokens, &mut columns);
            square += half_squares.iter().map(|&x| 2.0 * f64::from(x)).sum::<f64>();
            for (mean, column) in mean.iter_mut().zip(&columns) {
                *mean += column.iter().map(|&x| f64::from(x)).sum::<f64>();
            }
        }
        let count = (tokens.len() / dim).max(1) as f64;
        mean.iter_mut().for_each(|x| *x /= count);
        (square / count, mean)
    }
}

/// All tokens of a tile, in order.
pub(crate) const FIRST: [u32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Scales one query's features, given as values, by the keys' scales, so that the largest is 1 in size; returns the
/// logarithm of what was divided out.
pub(crate) fn scale_values(features: &mut [f32], key_scale: &[f32]) -> f64 {
    let log = |(&x, &scale): (&f32, &f32)| f64::from(x).abs().ln() + f64::from(scale);
    // Finite: the constant feature is 1.
    let largest = features.iter().zip(key_scale).map(log).fold(f64::NEG_INFINITY, f64::max);
    for (x, &scale) in features.iter_mut().zip(key_scale) {
        *x = (f64::from(*x) * (f64::from(scale) - largest).exp()) as f32;
    }
    largest
}

/// Features of up to 16 queries.
pub(crate) struct QueryTile {
    /// `[padded features, 16]`.
    pub features: Vec<Lanes>,
    /// Row i's true features are these times `exp(log_scale[i])`, key scales included.
    pub log_scale: [f64; LANES],
}

/// Mean over tokens.
fn mean(tokens: &[f32], dim: usize) -> Vec<f64> {
    let mut sums = vec![0.0; dim];
    for token in tokens.chunks_exact(dim) {
        sums.iter_mut().zip(token).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let count = (tokens.len() / dim).max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

/// The variance-minimising A of the optimal map for mean squared norm `spread` (Likhosherstov et al. 2022,
/// theorem 3.2): A = (1 - 1/p) / 8.
fn optimal_tilt(spread: f64, dim: usize) -> f64 {
    let (s, d) = (spread.max(0.0), dim as f64);
    // 1 / p, written so that nothing cancels.
    let inverse = (((2.0 * s + d).powi(2) + 8.0 * d * s).sqrt() + 2.0 * s + d) / (2.0 * d);
    (1.0 - inverse) / 8.0
}
