//! Key features put on a common scale, feature by feature.

use super::FeatureMap;
use crate::attention::Head;
use crate::error::Result;
use crate::simd::{LANES, Panels, exp_tile, largest};

/// Keys summed in f32 before the sum is carried on in f64.
const BLOCK: usize = 64;

/// Features of all keys of a head, each feature divided by its largest size over the keys.
///
/// One scale per feature rather than one per head: the key that dominates a feature is then never lost to
/// underflow, however small that feature is beside the others, and a query that looks along it finds it. Row
/// masses of a positive map are therefore at least 1.
pub(crate) struct KeyFeatures {
    /// `[keys, features]`, at most 1 in size.
    pub panels: Panels,
    /// Logarithm of what each feature was divided by; this and the sums are padded to whole panels.
    pub log_scale: Vec<f32>,
    /// Sum over keys of each feature.
    pub sum: Vec<f32>,
    /// Sum over keys of each feature's size: with it, a bound on what rounding can do to a row.
    pub size: Vec<f32>,
}

impl KeyFeatures {
    /// O(keys · features · dim).
    pub fn new(map: &FeatureMap, head: &Head) -> Result<KeyFeatures> {
        let mut panels = map.keys(head)?;
        let padded = panels.count() * LANES;
        let mut log_scale = vec![0.0f32; padded];
        let (mut sum, mut size) = (vec![0.0; padded], vec![0.0; padded]);
        for p in 0..panels.count() {
            let lanes = p * LANES..(p + 1) * LANES;
            let panel = panels.panel_mut(p);
            let (mut own, mut own_size) = ([0.0f64; LANES], [0.0f64; LANES]);
            if map.is_log() {
                let largest = largest(panel, &[f32::MIN; LANES]);
                for block in panel.chunks_mut(BLOCK) {
                    own.iter_mut().zip(exp_tile(block, &largest)).for_each(|(sum, x)| *sum += f64::from(x));
                }
                own_size = own;
                log_scale[lanes.clone()].copy_from_slice(&largest);
            } else {
                let mut largest = [0.0f32; LANES];
                for row in panel.iter() {
                    largest.iter_mut().zip(row).for_each(|(m, x)| *m = m.max(x.abs()));
                }
                for row in panel.iter_mut() {
                    for (lane, x) in row.iter_mut().enumerate().filter(|&(lane, _)| largest[lane] > 0.0) {
                        *x /= largest[lane];
                        own[lane] += f64::from(*x);
                        own_size[lane] += f64::from(x.abs());
                    }
                }
                log_scale[lanes.clone()].copy_from_slice(&largest.map(|x| x.max(f32::MIN_POSITIVE).ln()));
            }
            sum[lanes.clone()].copy_from_slice(&own.map(|x| x as f32));
            size[lanes].copy_from_slice(&own_size.map(|x| x as f32));
        }
        Ok(KeyFeatures { panels, log_scale, sum, size })
    }
}
