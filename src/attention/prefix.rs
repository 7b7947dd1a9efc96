//! The causal low-rank part: a state that takes in one key after the other.
//!
//! No number may depend on a later key, and a scale taken over all keys would: it decides how earlier
//! features round. So each feature is scaled by its largest value *so far*; where a new key raises that, what was
//! summed is scaled down. With a window as the support the state follows at the window's distance and is
//! the complement itself: nothing has to be subtracted.

use crate::attention::low_rank::LowRankRow;
use crate::attention::{Head, saturate};
use crate::error::Result;
use crate::features::{FeatureMap, QueryTile};
use crate::memory;
use crate::simd::{LANES, Lanes, Panels, exp_from, panel_count};

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

    /// The row of query `query`; queries must come in ascending order.
    pub fn row(&mut self, head: &Head, query: usize) -> LowRankRow {
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
        let QueryTile { features, log_scale } = self.map.queries(head, query, query + 1, &self.log_scale);
        row.log_scale = log_scale[0];
        let mut readout = vec![0.0; padded];
        for (r, lanes) in features.iter().enumerate() {
            let f = f64::from(lanes[0]);
            row.features[r / LANES][r % LANES] = lanes[0];
            row.mass += f * self.sum[r];
            row.size += f.abs() * self.size[r];
            let state = &self.state[r * padded..(r + 1) * padded];
            readout.iter_mut().zip(state).for_each(|(out, h)| *out += f * h);
        }
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
        let mut scaled = vec![0.0; LANES];
        for p in 0..self.keys.count() {
            let features = self.keys.panel(p)[key];
            let features = self.scaled(&self.log_scale, p, &features, &mut scaled);
            for (r, &f) in (p * LANES..).zip(features) {
                let f = f64::from(f);
                self.sum[r] += f;
                self.size[r] += f.abs();
                let state = self.state[r * padded..(r + 1) * padded].as_chunks_mut::<LANES>().0;
                for (p, state) in state.iter_mut().enumerate() {
                    let value = &head.v.panel(p)[key];
                    state.iter_mut().zip(value).for_each(|(h, &v)| *h += f * f64::from(v));
                }
            }
        }
    }
}
