//! The low-rank part of a head: what a row would be if every entry were `f(q)·f(k)`, and single entries of it.

use crate::attention::Head;
use crate::attention::clock::{Clock, Task};
use crate::attention::prefix::Prefix;
use crate::error::Result;
use crate::features::{Balance, FeatureMap, KeyFeatures, QueryTile};
use crate::plan::{FeaturePlan, Plan};
use crate::simd::{LANES, Lanes, Panels, all_products, pair_products, panel_count, product, row_product};

/// Keys whose products are summed in f32 before the sum is carried on in f64.
const BLOCK: usize = 512;

/// Keys whose features and values, 16 of each, stay in the first-level cache.
const PIECE: usize = 128;

/// The low-rank part of one row. Masses and entries are in units of `exp(log_scale)`.
pub(crate) struct LowRankRow {
    /// Query features, padded, at most 1 in size.
    pub features: Vec<Lanes>,
    pub log_scale: f64,
    /// Sum of the entries that were summed.
    pub mass: f64,
    /// Sum of their sizes, cancellation inside an entry included.
    pub size: f64,
    /// Sum of entry times value, padded.
    pub readout: Vec<Lanes>,
    /// Whether the sums already leave out the support.
    pub complement: bool,
    /// Logarithm of the scale of each key feature at this row; empty where it is the same for all rows.
    pub key_scale: Vec<f32>,
}

/// Features of all keys as `all_entries` needs them.
pub(crate) struct DenseKeys {
    /// `[features, keys]`; causal `[keys, features]`.
    pub keys: Panels,
    /// Causal only: the logarithms of the scales, and how many keys each panel has in units of them.
    pub scale: Vec<f32>,
    pub done: Vec<usize>,
}

/// All rows see all keys: one state, read by every query.
pub(crate) struct Whole {
    map: FeatureMap,
    keys: KeyFeatures,
    /// What query features start from.
    starts: Vec<f32>,
    /// Key features times values, `[features, value_dim]`.
    state: Panels,
}

/// The low-rank part of one head.
pub(crate) enum LowRank {
    /// Not causal.
    Whole(Box<Whole>),
    /// Causal: a state that grows along the sequence.
    Prefix(Box<Prefix>),
}

impl LowRank {
    /// The sums of a row leave out the last `lag` keys that it sees, which only a causal head may ask for.
    /// O(keys · features · (dim + value_dim)).
    pub fn new(
        features: FeaturePlan,
        plan: &Plan,
        head: &Head,
        lag: Option<usize>,
        clock: &mut Clock,
    ) -> Result<LowRank> {
        let map = FeatureMap::new(features, plan, head)?;
        if head.causal {
            let prefix = Prefix::new(map, head, lag)?;
            clock.lap(Task::Project);
            return Ok(LowRank::Prefix(Box::new(prefix)));
        }
        let keys = KeyFeatures::new(&map, head)?;
        clock.lap(Task::Project);
        let state = state(&keys.panels, &head.v)?;
        clock.lap(Task::LowRank);
        Ok(LowRank::Whole(Box::new(Whole { starts: map.starts(&keys.log_scale), map, keys, state })))
    }

    /// Rows `first..last` (at most 16), in order: a causal state moves forward only.
    pub fn rows(&mut self, head: &Head, first: usize, last: usize, clock: &mut Clock) -> Vec<LowRankRow> {
        let rows = match self {
            LowRank::Whole(whole) => whole.rows(head, first, last, clock),
            LowRank::Prefix(prefix) => prefix.rows(head, first, last),
        };
        clock.lap(Task::LowRank);
        rows
    }

    /// The part of a head that is not causal.
    pub fn whole(&self) -> Option<&Whole> {
        match self {
            LowRank::Whole(whole) => Some(whole),
            LowRank::Prefix(_) => None,
        }
    }

    /// Entries of `row` at `indices`.
    pub fn entries(&self, row: &LowRankRow, indices: &[u32], out: &mut [f32]) {
        match self {
            LowRank::Whole(whole) => pair_products(&row.features, &whole.keys.panels, indices, out),
            LowRank::Prefix(prefix) => prefix.entries(row, indices, out),
        }
    }

    /// Entries of consecutive rows from `first` on, at most 16, at all keys that they see: into `out` `[16, keys]`. Rows
    /// must come in ascending order.
    pub fn all_entries(&self, head: &Head, first: usize, rows: &[LowRankRow], dense: &mut DenseKeys, out: &mut [f32]) {
        match self {
            LowRank::Whole(_) => {
                let mut columns = vec![[0.0; LANES]; dense.keys.rows()];
                for (lane, row) in rows.iter().enumerate() {
                    columns.iter_mut().zip(row.features.as_flattened()).for_each(|(column, &x)| column[lane] = x);
                }
                all_products(&dense.keys, &columns, &mut out[..rows.len() * head.keys]);
            }
            LowRank::Prefix(prefix) => {
                for (n, (row, out)) in rows.iter().zip(out.chunks_exact_mut(head.keys)).enumerate() {
                    prefix.first_entries(row, dense, &mut out[..head.visible(first + n)]);
                }
            }
        }
    }

    /// What `all_entries` needs.
    pub fn dense_keys(&self) -> Result<DenseKeys> {
        match self {
            LowRank::Whole(whole) => whole.dense_keys(),
            LowRank::Prefix(prefix) => prefix.dense_keys(),
        }
    }

    /// Scratch bytes of this part of a plan.
    pub fn bytes(plan: &Plan) -> u64 {
        let (shape, count) = (plan.shape, plan.feature_count());
        if count == 0 {
            return 0;
        }
        let directions = (count * shape.dim * 3 * size_of::<f64>()) as u64;
        let state = (count * panel_count(shape.value_dim) * LANES * 3 * size_of::<f32>()) as u64;
        let balance = if plan.feature_map().is_some_and(|map| map.balance()) { Balance::bytes(shape.dim) } else { 0 };
        Panels::bytes(shape.keys, count) + directions + state + balance
    }
}

/// Up to 16 consecutive rows, lane by lane; masses and entries of each in units of its `exp(log_scale)`.
pub(crate) struct LowRankTile {
    /// `[padded features, 16]`, at most 1 in size.
    pub features: Vec<Lanes>,
    pub log_scale: [f64; LANES],
    /// Sum of the entries.
    pub mass: Lanes,
    /// Sum of their sizes, cancellation inside an entry included.
    pub size: Lanes,
    /// Sum of entry times value, `[value panels, 16 rows]`.
    pub readout: Vec<Lanes>,
}

impl Whole {
    /// `[keys, features]`, each feature in units of its largest over the keys.
    pub fn keys(&self) -> &Panels {
        &self.keys.panels
    }

    /// The key features, transposed.
    fn dense_keys(&self) -> Result<DenseKeys> {
        let panels = &self.keys.panels;
        let mut keys = Panels::zeros("low-rank state", panels.count() * LANES, panels.rows())?;
        for p in 0..panels.count() {
            keys.put_columns(p * LANES..(p + 1) * LANES, panels.panel(p));
        }
        Ok(DenseKeys { keys, scale: Vec::new(), done: Vec::new() })
    }

    /// Rows `first..last`, at most 16. Reading the state is left to the caller's lap.
    pub fn tile(&self, head: &Head, first: usize, last: usize, clock: &mut Clock) -> LowRankTile {
        let QueryTile { features, log_scale } = self.map.queries(head, first, last, &self.starts);
        clock.lap(Task::Project);
        let mut readout = vec![[0.0; LANES]; self.state.count() * LANES];
        for (p, tile) in readout.as_chunks_mut().0.iter_mut().enumerate() {
            product(&features[..self.state.rows()], self.state.panel(p), tile, false);
        }
        let mass = row_product(&self.keys.sum, &features);
        let size = if self.map.is_log() {
            mass
        } else {
            let sizes: Vec<Lanes> = features.iter().map(|row| row.map(f32::abs)).collect();
            row_product(&self.keys.size, &sizes)
        };
        LowRankTile { features, log_scale, mass, size, readout }
    }

    fn rows(&self, head: &Head, first: usize, last: usize, clock: &mut Clock) -> Vec<LowRankRow> {
        let tile = self.tile(head, first, last, clock);
        let row = |lane: usize| LowRankRow {
            features: tile.features.as_chunks::<LANES>().0.iter().map(|panel| panel.map(|row| row[lane])).collect(),
            log_scale: tile.log_scale[lane],
            mass: f64::from(tile.mass[lane]),
            size: f64::from(tile.size[lane]),
            readout: tile.readout.iter().skip(lane).step_by(LANES).copied().collect(),
            complement: false,
            key_scale: Vec::new(),
        };
        (0..last - first).map(row).collect()
    }
}

/// `keysᵀ values`.
fn state(keys: &Panels, values: &Panels) -> Result<Panels> {
    let mut state = Panels::zeros("low-rank state", keys.cols(), values.cols())?;
    for p in 0..values.count() {
        for r in 0..keys.count() {
            let mut sums = [[0.0f64; LANES]; LANES];
            for (a, b) in keys.panel(r).chunks(BLOCK).zip(values.panel(p).chunks(BLOCK)) {
                let mut tile = [[0.0; LANES]; LANES];
                for (a, b) in a.chunks(PIECE).zip(b.chunks(PIECE)) {
                    product(a, b, &mut tile, true);
                }
                sums.as_flattened_mut().iter_mut().zip(tile.as_flattened()).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            for (out, sum) in state.panel_mut(p)[r * LANES..].iter_mut().zip(&sums) {
                *out = sum.map(|x| x as f32);
            }
        }
    }
    Ok(state)
}
