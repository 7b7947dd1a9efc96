//! Softmax attention, streamed: tiles of keys pass by a block of queries, and each row keeps its running
//! maximum, its running sum and its running output (Milakov and Gimelshein 2018; Dao et al. 2022).

use std::ops::Range;

use crate::attention::Head;
use crate::error::Result;
use crate::simd::{LANES, Lanes, Panels, all_products, exp_moment, exp_tile, largest, product};

/// Queries worked on together: one pass over keys and values serves them all.
pub(crate) const BLOCK: usize = 64;

/// Keys in a tile. What is done once per tile, and once per element of the output in each, took 2 to 3 % of the time with 64
/// keys; with 256, the weights of a tile and the values of 16 columns would fill a first-level cache of 32 KiB.
const TILE: usize = 192;

/// What exact attention keeps of a head.
pub(crate) struct Exact {
    /// `[dim, keys]`.
    keys: Panels,
}

/// Up to 16 queries under way.
struct Lane16 {
    /// `[dim, 16]`.
    queries: Vec<Lanes>,
    first: usize,
    largest: Lanes,
    sum: [f64; LANES],
    /// Sum of weight times (logit - largest); only kept where statistics are asked for.
    moment: [f64; LANES],
    /// `[value panels, 16 queries]`.
    output: Vec<[Lanes; LANES]>,
}

/// Softmax statistics of one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowStats {
    /// Logarithm of the sum of exp(logit).
    pub log_normalizer: f64,
    /// -Σ p log p, in nats.
    pub entropy: f64,
}

impl Exact {
    pub fn new(head: &Head) -> Result<Exact> {
        Ok(Exact { keys: Panels::from_columns("keys, transposed", &head.k, head.keys, head.dim, 1.0)? })
    }

    /// Writes the rows of `queries` to `out` `[queries, value_dim]`: at most [`BLOCK`] of them. O(queries · keys ·
    /// (dim + value_dim)).
    pub fn rows(&self, head: &Head, queries: Range<usize>, out: &mut [f32]) {
        let lanes = self.pass::<false>(head, queries, &mut []);
        for (n, out) in out.chunks_exact_mut(head.value_dim).enumerate() {
            lanes[n / LANES].write(n % LANES, out);
        }
    }

    /// As [`rows`](Self::rows), with the statistics of each row, and its logits with the keys that it sees in `logits`
    /// `[queries, keys]` unless that is empty.
    pub fn rows_with_stats(
        &self,
        head: &Head,
        queries: Range<usize>,
        logits: &mut [f32],
        out: &mut [f32],
    ) -> Vec<RowStats> {
        let lanes = self.pass::<true>(head, queries, logits);
        let rows = out.chunks_exact_mut(head.value_dim).enumerate();
        rows.map(|(n, out)| {
            lanes[n / LANES].write(n % LANES, out);
            lanes[n / LANES].stats(n % LANES)
        })
        .collect()
    }

    /// Logits of up to 16 queries with every key, into `out` `[queries, keys]`.
    pub fn logits(&self, head: &Head, queries: Range<usize>, out: &mut [f32]) {
        let lanes = Lane16::new(head, queries.start);
        all_products(&self.keys, &lanes.queries, &mut out[..queries.len() * head.keys]);
    }

    fn pass<const STATS: bool>(&self, head: &Head, queries: Range<usize>, kept: &mut [f32]) -> Vec<Lane16> {
        debug_assert!(queries.len() <= BLOCK);
        let mut lanes: Vec<Lane16> = queries.clone().step_by(LANES).map(|first| Lane16::new(head, first)).collect();
        let mut logits = [[0.0; LANES]; TILE];
        let visible = head.visible(queries.end - 1);
        for start in (0..visible).step_by(TILE) {
            for (n, lane) in lanes.iter_mut().enumerate() {
                let kept = kept.get_mut(n * LANES * head.keys..).unwrap_or_default();
                lane.attend::<STATS>(head, &self.keys, start..visible.min(start + TILE), &mut logits, kept);
            }
        }
        lanes
    }

    /// Scratch bytes of this part of a plan for `keys` keys of `dim` numbers.
    pub fn bytes(keys: usize, dim: usize, value_dim: usize) -> u64 {
        Panels::bytes(dim, keys) + (BLOCK * (dim + value_dim.next_multiple_of(LANES) + LANES) * size_of::<f32>()) as u64
    }
}

impl Lane16 {
    fn new(head: &Head, first: usize) -> Lane16 {
        let mut queries = vec![[0.0; LANES]; head.dim];
        for (lane, query) in (first..head.queries.min(first + LANES)).enumerate() {
            queries.iter_mut().zip(head.query(query)).for_each(|(column, &x)| column[lane] = x);
        }
        Lane16 {
            queries,
            first,
            largest: [f32::NEG_INFINITY; LANES],
            sum: [0.0; LANES],
            moment: [0.0; LANES],
            output: vec![[[0.0; LANES]; LANES]; head.v.count()],
        }
    }

    /// Takes in a tile of keys, as far as any of these queries sees it. What `logits` holds does not matter; it is copied to as
    /// many rows as `kept` `[queries, keys]` has.
    fn attend<const STATS: bool>(
        &mut self,
        head: &Head,
        keys: &Panels,
        tile: Range<usize>,
        logits: &mut [Lanes; TILE],
        kept: &mut [f32],
    ) {
        let tile = tile.start..tile.end.min(head.visible(self.first + LANES - 1));
        if tile.is_empty() {
            return;
        }
        for (p, logits) in (tile.start / LANES..).zip(logits[..tile.len().next_multiple_of(LANES)].as_chunks_mut().0) {
            product(keys.panel(p), &self.queries, logits, false);
        }
        let logits = &mut logits[..tile.len()];
        if STATS {
            for (lane, row) in kept.chunks_exact_mut(head.keys).take(LANES).enumerate() {
                row[tile.clone()].iter_mut().zip(&*logits).for_each(|(out, lanes)| *out = lanes[lane]);
            }
        }
        for key in head.visible(self.first).max(tile.start)..tile.end {
            // Only the first queries of the 16 do not see it yet.
            let blind = (0..LANES).take_while(|lane| key >= head.visible(self.first + lane)).count();
            logits[key - tile.start][..blind].fill(f32::NEG_INFINITY);
        }
        self.raise(logits);
        if STATS {
            let moment = exp_moment(logits, &self.largest);
            self.moment.iter_mut().zip(moment).for_each(|(total, x)| *total += f64::from(x));
        }
        let sum = exp_tile(logits, &self.largest);
        self.sum.iter_mut().zip(sum).for_each(|(total, x)| *total += f64::from(x));
        for (p, out) in self.output.iter_mut().enumerate() {
            product(logits, &head.v.panel(p)[tile.clone()], out, true);
        }
    }

    /// Raises the running maxima to those of a new tile, and scales what was summed to match.
    fn raise(&mut self, logits: &[Lanes]) {
        let largest = largest(logits, &self.largest);
        if largest == self.largest {
            return;
        }
        for lane in 0..LANES {
            let drop = f64::from(self.largest[lane]) - f64::from(largest[lane]);
            if drop == 0.0 || self.sum[lane] == 0.0 {
                continue;
            }
            let shrink = drop.exp();
            self.moment[lane] = if shrink > 0.0 { shrink * (self.moment[lane] + drop * self.sum[lane]) } else { 0.0 };
            self.sum[lane] *= shrink;
            for out in &mut self.output {
                out[lane].iter_mut().for_each(|x| *x *= shrink as f32);
            }
        }
        self.largest = largest;
    }

    fn write(&self, row: usize, out: &mut [f32]) {
        let scale = if self.sum[row] > 0.0 { 1.0 / self.sum[row] } else { 0.0 };
        for (out, panel) in out.chunks_mut(LANES).zip(&self.output) {
            out.iter_mut().zip(&panel[row]).for_each(|(out, &x)| *out = (f64::from(x) * scale) as f32);
        }
    }

    fn stats(&self, row: usize) -> RowStats {
        if self.sum[row] == 0.0 {
            return RowStats { log_normalizer: f64::NEG_INFINITY, entropy: 0.0 };
        }
        let log_sum = self.sum[row].ln();
        RowStats {
            log_normalizer: f64::from(self.largest[row]) + log_sum,
            entropy: (log_sum - self.moment[row] / self.sum[row]).max(0.0),
        }
    }
}
