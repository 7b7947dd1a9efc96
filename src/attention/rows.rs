//! Any support with any feature map: one row at a time, one normaliser per row.
//!
//! A row's output is
//!
//! ```text
//! o = ( Σ_{j in S} exp(s_j) v_j  +  Σ_{j not in S} f·f_j v_j ) / Z
//!   = ( Σ_{j in S} (exp(s_j) - f·f_j) v_j  +  f·Σ_j f_j v_j ) / Z
//! ```
//!
//! The second form is linear in the tokens but subtracts. Its rounding error is a few ulps of the whole low-rank
//! sum, which hurts only where that sum is large beside Z: random features overestimate some rows without
//! bound. Those rows are found by comparing the two, and take the first form. (Clamping the difference
//! instead, as the authors' code does, was measured to lose four digits at sharp temperatures.)

use crate::attention::low_rank::{LowRank, LowRankRow};
use crate::attention::{Head, saturate};
use crate::plan::Plan;
use crate::simd::{LANES, Lanes, accumulate_rows, exp_from, gather_columns, largest_of, row_product};

/// Rounding error of a low-rank sum, relative to the sizes of its terms.
pub(super) const ROUNDING: f64 = f32::EPSILON as f64;

/// What that error may be, relative to the row's normaliser.
pub(super) const TOLERANCE: f64 = 2e-6;

/// Weights saturate here, which only a Taylor row whose masses nearly cancel can reach: with values up to
/// 10²⁹ every term stays finite.
const WEIGHT_LIMIT: f64 = 1e9;

const OUTPUT_LIMIT: f64 = f32::MAX as f64;

/// How a row came out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowResult {
    /// Logarithm of the row's normaliser Z; -inf for a row without mass.
    pub log_normalizer: f64,
    /// What the entries off the support became.
    pub rest: Rest,
}

/// Entries of a row off its support.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rest {
    /// 0: there are none, there is no low-rank part, or its mass is negative beyond that of the support.
    Zero,
    /// Low rank.
    LowRank,
    /// Equal weights: the support is empty and the low-rank mass negative (the Taylor map of order 1
    /// only). The zeroth order of exp.
    Uniform,
}

/// Scratch of the row pass, reused from row to row.
#[derive(Default)]
pub(crate) struct Scratch {
    logits: Vec<f32>,
    weights: Vec<f32>,
    entries: Vec<f32>,
    gathered: Vec<Lanes>,
    /// Keys off the support, where they are listed.
    rest: Vec<u32>,
    sum: Vec<Lanes>,
}

impl Scratch {
    /// Scratch bytes of this part of a plan.
    pub fn bytes(plan: &Plan) -> u64 {
        let (shape, panels) = (plan.shape, plan.shape.value_dim.div_ceil(LANES));
        // Lists as long as a row: logits, weights, entries, indices and their complement.
        let lists = 5 * shape.keys * size_of::<f32>() + LANES * shape.keys * size_of::<u32>();
        let tiles = (shape.dim + LANES * (panels + plan.feature_count())) * size_of::<Lanes>();
        (lists + tiles) as u64
    }

    /// Logits of `query` with `keys`, in order.
    pub fn logits(&mut self, head: &Head, query: usize, keys: &[u32]) -> &[f32] {
        self.logits.clear();
        self.gathered.resize(head.dim, [0.0; LANES]);
        for keys in keys.chunks(LANES) {
            gather_columns(&head.k, keys, &mut self.gathered);
            self.logits.extend_from_slice(&row_product(head.query(query), &self.gathered)[..keys.len()]);
        }
        &self.logits
    }

    /// Computes row `query` with support `keys` (ascending, distinct, visible) into `out` `[value_dim]`.
    pub fn row(
        &mut self,
        head: &Head,
        query: usize,
        keys: &[u32],
        low_rank: Option<(&LowRank, &LowRankRow)>,
        out: &mut [f32],
    ) -> RowResult {
        let visible = head.visible(query);
        self.sum.clear();
        self.sum.resize(head.v.count(), [0.0; LANES]);
        let support = self.support_mass(head, query, keys);
        let low_rank = low_rank.filter(|_| keys.len() < visible);
        let result = match low_rank {
            Some((part, row)) => self.both(head, keys, visible, support, part, row),
            None => self.support_alone(head, keys, support),
        };
        out.iter_mut().zip(self.sum.as_flattened()).for_each(|(out, &x)| *out = x.clamp(-f32::MAX, f32::MAX));
        result
    }

    /// The exact mass on the support; leaves exp(logit - log_scale) in `weights`.
    fn support_mass(&mut self, head: &Head, query: usize, keys: &[u32]) -> Mass {
        self.logits(head, query, keys);
        let largest = largest_of(&self.logits);
        self.weights.resize(keys.len(), 0.0);
        exp_from(&self.logits, largest, &mut self.weights);
        Mass { log_scale: f64::from(largest), sum: self.weights.iter().map(|&x| f64::from(x)).sum() }
    }

    fn support_alone(&mut self, head: &Head, keys: &[u32], support: Mass) -> RowResult {
        if keys.is_empty() {
            return RowResult { log_normalizer: f64::NEG_INFINITY, rest: Rest::Zero };
        }
        self.add_support(head, keys, 1.0 / support.sum);
        RowResult { log_normalizer: support.log_scale + support.sum.ln(), rest: Rest::Zero }
    }

    fn both(
        &mut self,
        head: &Head,
        keys: &[u32],
        visible: usize,
        support: Mass,
        part: &LowRank,
        row: &LowRankRow,
    ) -> RowResult {
        let mut rest = Mass { log_scale: row.log_scale, sum: row.mass };
        let subtract = !row.complement && !keys.is_empty();
        if subtract {
            self.entries.resize(keys.len(), 0.0);
            part.entries(row, keys, &mut self.entries);
            rest.sum -= self.entries.iter().map(|&x| f64::from(x)).sum::<f64>();
            let error = row.size * ROUNDING;
            let careful = Mass { sum: rest.sum.max(0.0), ..rest };
            let drowned = Total::of(support, careful).is_none_or(|total| error * total.rest > TOLERANCE);
            if drowned || rest.sum.abs() <= error {
                return self.complement_directly(head, keys, visible, support, part, row);
            }
        }
        let Some(total) = Total::of(support, rest) else {
            return self.without_rest(head, keys, visible, support);
        };
        for (sum, &x) in self.sum.as_flattened_mut().iter_mut().zip(row.readout.as_flattened()) {
            *sum = saturate(f64::from(x).clamp(-OUTPUT_LIMIT, OUTPUT_LIMIT) * total.rest, OUTPUT_LIMIT);
        }
        if subtract {
            for (w, &f) in self.weights.iter_mut().zip(&self.entries) {
                *w = saturate(f64::from(*w) * total.support - f64::from(f) * total.rest, WEIGHT_LIMIT);
            }
            accumulate_rows(&head.v, keys, &self.weights, &mut self.sum);
        } else {
            self.add_support(head, keys, total.support);
        }
        RowResult { log_normalizer: total.log_normalizer, rest: Rest::LowRank }
    }

    /// The first form: O(visible · features).
    fn complement_directly(
        &mut self,
        head: &Head,
        keys: &[u32],
        visible: usize,
        support: Mass,
        part: &LowRank,
        row: &LowRankRow,
    ) -> RowResult {
        self.rest.clear();
        let mut support_keys = keys.iter().copied().peekable();
        self.rest.extend((0..visible as u32).filter(|key| support_keys.next_if_eq(key).is_none()));
        self.entries.resize(self.rest.len(), 0.0);
        part.entries(row, &self.rest, &mut self.entries);
        let rest = Mass { log_scale: row.log_scale, sum: self.entries.iter().map(|&x| f64::from(x)).sum() };
        let Some(total) = Total::of(support, rest) else {
            return self.without_rest(head, keys, visible, support);
        };
        self.entries.iter_mut().for_each(|x| *x = saturate(f64::from(*x) * total.rest, WEIGHT_LIMIT));
        accumulate_rows(&head.v, &self.rest, &self.entries, &mut self.sum);
        self.add_support(head, keys, total.support);
        RowResult { log_normalizer: total.log_normalizer, rest: Rest::LowRank }
    }

    /// The masses add up to nothing, or less: the support alone, or with none the mean of the visible values.
    fn without_rest(&mut self, head: &Head, keys: &[u32], visible: usize, support: Mass) -> RowResult {
        if !keys.is_empty() || visible == 0 {
            return self.support_alone(head, keys, support);
        }
        self.rest.clear();
        self.rest.extend(0..visible as u32);
        self.weights.clear();
        self.weights.resize(visible, 1.0 / visible as f32);
        accumulate_rows(&head.v, &self.rest, &self.weights, &mut self.sum);
        RowResult { log_normalizer: (visible as f64).ln(), rest: Rest::Uniform }
    }

    /// Adds weight times value on the support.
    fn add_support(&mut self, head: &Head, keys: &[u32], factor: f64) {
        self.weights.iter_mut().for_each(|w| *w = saturate(f64::from(*w) * factor, WEIGHT_LIMIT));
        accumulate_rows(&head.v, keys, &self.weights, &mut self.sum);
    }
}

/// A number too large or small for any float: `sum · exp(log_scale)`.
#[derive(Clone, Copy)]
struct Mass {
    log_scale: f64,
    sum: f64,
}

/// The normaliser Z of a row, as factors for its two parts.
struct Total {
    log_normalizer: f64,
    /// exp(support.log_scale) / Z.
    support: f64,
    /// exp(rest.log_scale) / Z.
    rest: f64,
}

impl Total {
    /// Relative to the larger of the two scales, so that even scales of 10³⁰ cost neither part its digits. `None`
    /// where the masses add up to nothing, or less.
    fn of(support: Mass, rest: Mass) -> Option<Total> {
        let scale = support.log_scale.max(rest.log_scale);
        let (a, b) = ((support.log_scale - scale).exp(), (rest.log_scale - scale).exp());
        let sum = a * support.sum + b * rest.sum;
        (sum > 0.0).then(|| Total { log_normalizer: scale + sum.ln(), support: a / sum, rest: b / sum })
    }
}
