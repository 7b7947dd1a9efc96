//! Feature maps f with `f(q)·f(k) ~ exp(b q·k)`, b = scale / temperature: the low-rank part.
//!
//! Positive maps are kept as logarithms until something to subtract from them is known, so that no
//! temperature overflows them. Taylor polynomials have negative features and are kept as values.

mod balance;
mod directions;
#[cfg(feature = "webgpu")]
mod exponentials;
mod keys;
mod polynomial;

pub(crate) use balance::Balance;
pub use directions::directions;
#[cfg(feature = "webgpu")]
pub(crate) use exponentials::{Affine, Exponentials};
pub(crate) use keys::KeyFeatures;

use crate::attention::Head;
use crate::error::Result;
use crate::moments::stride;
use crate::plan::{FeaturePlan, Plan};
use crate::simd::{
    LANES, Lanes, Panels, add_weighted_rows, exp_tile, gather_columns, largest, outer_sum, panel_count, product,
    row_product, scale_columns,
};

/// Elements of inputs scaled by sqrt(b) saturate here: squared norms then stay finite.
const INPUT_LIMIT: f32 = 1e15;

/// A feature map fitted to one head.
pub(crate) struct FeatureMap {
    kind: Kind,
    count: usize,
    queries: Side,
    keys: Side,
}

/// From the head's scaled queries, or from its keys, to x'.
struct Side {
    /// What is subtracted; empty where the map is not centred.
    mean: Vec<f32>,
    /// Whether what centring the other side leaves is found before that.
    first: bool,
    change: Change,
}

enum Change {
    /// x' = sqrt(b) x.
    Factor(f32),
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
        let query_mean = mean(&head.q, dim, features.center());
        let key_mean = mean(&head.k, dim, center_keys);
        let [change_queries, change_keys] = if features.balance() {
            let Balance { queries, keys } = Balance::new(head, &query_mean, &key_mean)?;
            [Change::Rows(queries), Change::Rows(keys)]
        } else {
            let root = plan.logit_scale.sqrt();
            [1.0 / root, root].map(|factor| Change::Factor(factor.min(f64::from(f32::MAX)) as f32))
        };
        let f32s =
            |mean: Vec<f64>, center: bool| if center { mean.iter().map(|&x| x as f32).collect() } else { vec![] };
        let mut map = FeatureMap {
            kind: Kind::Elu,
            count,
            queries: Side { mean: f32s(query_mean, features.center()), first: true, change: change_queries },
            keys: Side { mean: f32s(key_mean, center_keys), first: false, change: change_keys },
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
            let tokens = &head.k[first * head.dim..last * head.dim];
            let (half_squares, log_weight) = self.keys.columns(tokens, &self.queries, &mut columns);
            match &self.kind {
                Kind::Exponential { directions, constants } => {
                    let offsets: Lanes = std::array::from_fn(|lane| log_weight[lane] - half_squares[lane]);
                    for (p, constants) in constants.as_chunks().0.iter().enumerate() {
                        let mut tile = [[0.0; LANES]; LANES];
                        outer_sum(&offsets, constants, &mut tile);
                        product(&columns, directions.panel(p), &mut tile, true);
                        panels.panel_mut(p)[first..last].copy_from_slice(&tile[..last - first]);
                    }
                }
                _ => {
                    self.polynomial(&columns, &mut transposed);
                    panels.put_columns(first..last, &transposed);
                }
            }
        }
        Ok(panels)
    }

    /// Logarithms that the features start from: those of the scales given, one a feature, and what the map itself adds.
    pub fn starts(&self, log_scale: &[f32]) -> Vec<f32> {
        match &self.kind {
            Kind::Exponential { constants, .. } => constants.iter().zip(log_scale).map(|(x, y)| x + y).collect(),
            _ => log_scale.to_vec(),
        }
    }

    /// Features of a map without directions, `[features, 16]`.
    fn polynomial(&self, columns: &[Lanes], out: &mut [Lanes]) {
        match self.kind {
            Kind::Taylor { order } => polynomial::taylor(columns, order, out),
            _ => polynomial::log_elu(columns, out),
        }
    }

    /// Features of queries `first..last` (at most 16), `[padded features, 16]`, given [`starts`](Self::starts): values
    /// without them, or logarithms, which are to be lowered by what is returned.
    pub fn unscaled_queries(&self, head: &Head, first: usize, last: usize, starts: &[f32]) -> (Vec<Lanes>, Lanes) {
        let mut columns = vec![[0.0; LANES]; head.dim];
        let tokens = &head.q[first * head.dim..last * head.dim];
        let (half_squares, log_factor) = self.queries.columns(tokens, &self.keys, &mut columns);
        let lowered = |half_squares: Lanes| std::array::from_fn(|lane| half_squares[lane] - log_factor[lane]);
        let mut features = vec![[0.0; LANES]; panel_count(self.count) * LANES];
        match &self.kind {
            Kind::Exponential { directions, .. } => {
                outer_sum(starts, &[0.0; LANES], &mut features);
                for (p, tile) in features.as_chunks_mut().0.iter_mut().enumerate() {
                    product(directions.panel(p), &columns, tile, true);
                }
                return (features, lowered(half_squares));
            }
            _ => {
                self.polynomial(&columns, &mut features);
                if self.is_log() {
                    features[self.count..].fill([f32::NEG_INFINITY; LANES]);
                    for (row, start) in features.iter_mut().zip(starts) {
                        row.iter_mut().for_each(|x| *x += start);
                    }
                }
            }
        }
        (features, lowered([0.0; LANES]))
    }

    /// Features of queries `first..last` (at most 16), given [`starts`](Self::starts) with the finite log scale of each key
    /// feature: scaled so that the largest of a row is 1 in size, with the logarithm of what was divided out.
    pub fn queries(&self, head: &Head, first: usize, last: usize, starts: &[f32]) -> QueryTile {
        let (mut features, lowered) = self.unscaled_queries(head, first, last, starts);
        let mut scale = [0.0; LANES];
        if self.is_log() {
            let largest = largest(&features, &[f32::NEG_INFINITY; LANES]);
            exp_tile(&mut features, &largest);
            scale = largest.map(f64::from);
        } else {
            for (lane, scale) in scale.iter_mut().enumerate().take(last - first) {
                let mut own: Vec<f32> = features[..self.count].iter().map(|row| row[lane]).collect();
                *scale = scale_values(&mut own, starts);
                features.iter_mut().zip(own).for_each(|(row, x)| row[lane] = x);
            }
        }
        scale.iter_mut().zip(lowered).for_each(|(scale, lowered)| *scale -= f64::from(lowered));
        QueryTile { features, log_scale: scale }
    }

    /// A feature that only pads the last panel: 0, as a value or a logarithm's.
    fn nothing(&self) -> f32 {
        if self.is_log() { f32::NEG_INFINITY } else { 0.0 }
    }
}

impl Side {
    /// Writes x' of up to 16 tokens as columns `[dim, 16]`. Returns |x'|²/2 of each, and the logarithm of what centring the other
    /// side leaves it as a weight: `exp(mean_q·(k - mean_k))` of a key, `exp(q·mean_k)` of a query.
    fn columns(&self, tokens: &[f32], other: &Side, columns: &mut [Lanes]) -> (Lanes, Lanes) {
        let dim = columns.len();
        gather_columns(tokens, &FIRST[..tokens.len() / dim], columns);
        let mut weight = [0.0; LANES];
        if self.first {
            weight = row_product(&other.mean, columns);
        }
        for (column, mean) in columns.iter_mut().zip(&self.mean) {
            column.iter_mut().for_each(|x| *x -= mean);
        }
        if !self.first {
            weight = row_product(&other.mean, columns);
        }
        let half_squares = match &self.change {
            Change::Factor(factor) => scale_columns(columns, *factor, INPUT_LIMIT),
            Change::Rows(rows) => {
                // In f64: what rounding does to a token, a badly conditioned change of variables makes large.
                let mut changed = vec![0.0; stride(dim)];
                for (lane, token) in tokens.chunks_exact(dim).enumerate() {
                    let mean = self.mean.iter().chain(std::iter::repeat(&0.0));
                    let centred: Vec<f64> =
                        token.iter().zip(mean).map(|(&x, &m)| f64::from(x) - f64::from(m)).collect();
                    changed.fill(0.0);
                    add_weighted_rows(&centred, rows, &mut changed);
                    columns.iter_mut().zip(&changed).for_each(|(column, &x)| column[lane] = x as f32);
                }
                scale_columns(columns, 1.0, INPUT_LIMIT)
            }
        };
        (half_squares, weight)
    }

    /// Means over tokens of |x'|² and of x'.
    fn lengths(&self, tokens: &[f32], dim: usize) -> (f64, Vec<f64>) {
        let (mut square, mut mean) = (0.0, vec![0.0; dim]);
        let mut columns = vec![[0.0; LANES]; dim];
        for tokens in tokens.chunks(LANES * dim) {
            let count = tokens.len() / dim;
            let (half_squares, _) = self.columns(tokens, self, &mut columns);
            square += half_squares[..count].iter().map(|&x| 2.0 * f64::from(x)).sum::<f64>();
            for (mean, column) in mean.iter_mut().zip(&columns) {
                *mean += column[..count].iter().map(|&x| f64::from(x)).sum::<f64>();
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

/// Mean over tokens, or 0.
fn mean(tokens: &[f32], dim: usize, center: bool) -> Vec<f64> {
    let mut sums = vec![0.0; dim];
    if !center {
        return sums;
    }
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
