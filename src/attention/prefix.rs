//! The causal low-rank part: a state that takes in one key after the other.
//!
//! No number may depend on a later key, and a scale taken over all keys would: it decides how earlier
//! features round. So each feature is scaled by its largest value *so far*; where a new key raises that, what was
//! summed is scaled down. With a window as the support the state follows at the window's distance and is
//! the complement itself: nothing has to be subtracted.

use crate::attention::low_rank::{DenseKeys, LowRankRow};
use crate::attention::{Head, saturate};
use crate::error::Result;
use crate::features::{FeatureMap, scale_values};
use crate::memory;
use crate::simd::{
    LANES, Lanes, Panels, add_outer, add_weighted_rows, exp_from, largest_of, pair_products, panel_count,
};

pub(crate) struct Prefix {
    map: FeatureMap,
    /// Key features as the map gives them: logarithms or values.
    keys: Panels,
    /// Keys from query - lag + 1 on are left out, for they are the support.
    lag: Option<usize>,
    /// Keys summed so far.
    taken: usize,
    /// Per feature: logarithm of the scale, then sums in units of it.
    log_scale: Vec<f32>,
    sum: Vec<f64>,
    size: Vec<f64>,
    /// `[features, padded value_dim]`.
    state: Vec<f64>,
}

impl Prefix {
    pub fn new(map: FeatureMap, head: &Head, lag: Option<usize>) -> Result<Prefix> {
        let count = map.count();
        let scale = if map.is_log() { f32::NEG_INFINITY } else { 0.0 };
        Ok(Prefix {
            keys: map.keys(head)?,
            lag,
            taken: 0,
            log_scale: vec![scale; count],
            sum: vec![0.0; count],
            size: vec![0.0; count],
            state: memory::filled("low-rank state", count * head.v.count() * LANES, 0.0)?,
            map,
        })
    }

    /// The rows of queries `first..last`, at most 16; queries must come in ascending order.
    pub fn rows(&mut self, head: &Head, first: usize, last: usize) -> Vec<LowRankRow> {
        let starts = self.map.starts(&vec![0.0; panel_count(self.map.count()) * LANES]);
        let (features, lowered) = self.map.unscaled_queries(head, first, last, &starts);
        let count = self.map.count();
        (first..last)
            .map(|query| {
                let lane = query - first;
                let mut row = self.row(head, query, features[..count].iter().map(|lanes| lanes[lane]).collect());
                row.log_scale -= f64::from(lowered[lane]);
                row
            })
            .collect()
    }

    /// The row of one query from its features, logarithms or values.
    fn row(&mut self, head: &Head, query: usize, mut features: Vec<f32>) -> LowRankRow {
        let end = match self.lag {
            Some(lag) => head.keys.min((query + 1).saturating_sub(lag)),
            None => head.visible(query),
        };
        while self.taken < end {
            self.take(head, self.taken);
            self.taken += 1;
        }
        let padded = head.v.count() * LANES;
        let mut row = LowRankRow {
            features: vec![[0.0; LANES]; panel_count(self.map.count())],
            log_scale: 0.0,
            mass: 0.0,
            size: 0.0,
            readout: vec![[0.0; LANES]; head.v.count()],
            complement: self.lag.is_some(),
            key_scale: self.log_scale.clone(),
        };
        if self.taken == 0 {
            return row;
        }
        if self.map.is_log() {
            let logs: Vec<f32> = features.iter().zip(&self.log_scale).map(|(x, scale)| x + scale).collect();
            let largest = largest_of(&logs);
            exp_from(&logs, largest, &mut features);
            row.log_scale = f64::from(largest);
        } else {
            row.log_scale = scale_values(&mut features, &self.log_scale);
        }
        let mut readout = vec![0.0; padded];
        let factors: Vec<f64> = features.iter().map(|&f| f64::from(f)).collect();
        for (r, &feature) in features.iter().enumerate() {
            row.features[r / LANES][r % LANES] = feature;
            row.mass += factors[r] * self.sum[r];
            row.size += factors[r].abs() * self.size[r];
        }
        add_weighted_rows(&factors, &self.state, &mut readout);
        for (out, &x) in row.readout.as_flattened_mut().iter_mut().zip(&readout) {
            *out = saturate(x, f64::from(f32::MAX));
        }
        row
    }

    /// Entries of `row` at `indices`.
    pub fn entries(&self, row: &LowRankRow, indices: &[u32], out: &mut [f32]) {
        let mut scaled = vec![0.0; LANES];
        for (&index, out) in indices.iter().zip(out) {
            let mut sum = 0.0;
            for (p, features) in row.features.iter().enumerate() {
                let key = &self.keys.panel(p)[index as usize];
                let sum_lanes = self.scaled(&row.key_scale, p, key, &mut scaled);
                sum += features.iter().zip(sum_lanes).map(|(f, k)| f * k).sum::<f32>();
            }
            *out = sum;
        }
    }

    /// Entries of `row` at the first keys, as many as `out` has room for. Scales seldom change: what `dense` holds of the
    /// row before saves nearly all exponentials.
    pub fn first_entries(&self, row: &LowRankRow, dense: &mut DenseKeys, out: &mut [f32]) {
        for (p, done) in dense.done.iter_mut().enumerate() {
            let panel = p * LANES..row.key_scale.len().min((p + 1) * LANES);
            let (own, known) = (&row.key_scale[panel.clone()], &mut dense.scale[panel]);
            if own != known {
                known.copy_from_slice(own);
                *done = 0;
            }
            for key in *done..out.len() {
                self.scaled(&row.key_scale, p, &self.keys.panel(p)[key], &mut dense.keys.panel_mut(p)[key]);
            }
            *done = out.len();
        }
        let first: Vec<u32> = (0..out.len() as u32).collect();
        pair_products(&row.features, &dense.keys, &first, out);
    }

    /// Room for the features of all keys.
    pub fn dense_keys(&self) -> Result<DenseKeys> {
        let keys = Panels::zeros("low-rank state", self.keys.rows(), self.keys.cols())?;
        Ok(DenseKeys { keys, scale: self.log_scale.clone(), done: vec![0; self.keys.count()] })
    }

    /// One panel of a key's features in units of the exponential of `log_scale`.
    fn scaled<'s>(&self, log_scale: &[f32], panel: usize, key: &Lanes, out: &'s mut [f32]) -> &'s [f32] {
        let scale = &log_scale[panel * LANES..log_scale.len().min((panel + 1) * LANES)];
        let out = &mut out[..scale.len()];
        if self.map.is_log() {
            let shifted: [f32; LANES] = std::array::from_fn(|lane| key[lane] - scale.get(lane).copied().unwrap_or(0.0));
            exp_from(&shifted[..scale.len()], 0.0, out);
        } else {
            out.copy_from_slice(&key[..scale.len()]);
        }
        out
    }

    /// Adds key `key` to the sums.
    fn take(&mut self, head: &Head, key: usize) {
        let padded = head.v.count() * LANES;
        if self.map.is_log() {
            for r in 0..self.log_scale.len() {
                let log = self.keys.at(key, r);
                if log > self.log_scale[r] {
                    // exp(-inf) before the first key: there is nothing to scale yet.
                    let shrink = f64::from(self.log_scale[r] - log).exp();
                    self.log_scale[r] = log;
                    self.sum[r] *= shrink;
                    self.size[r] *= shrink;
                    self.state[r * padded..(r + 1) * padded].iter_mut().for_each(|x| *x *= shrink);
                }
            }
        }
        let mut scaled = [0.0; LANES];
        let mut factors = Vec::with_capacity(self.sum.len());
        for p in 0..self.keys.count() {
            let features = self.scaled(&self.log_scale, p, &self.keys.panel(p)[key], &mut scaled);
            factors.extend(features.iter().map(|&f| f64::from(f)));
        }
        for ((&f, sum), size) in factors.iter().zip(&mut self.sum).zip(&mut self.size) {
            *sum += f;
            *size += f.abs();
        }
        let value: Vec<f64> = (0..head.v.count()).flat_map(|p| head.v.panel(p)[key]).map(f64::from).collect();
        add_outer(&factors, &value, &mut self.state);
    }
}
