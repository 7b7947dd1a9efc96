//! Hashed supports block by block: queries and keys that share a bucket are brought together, and their logits,
//! low-rank entries and outputs are products of tiles.
//!
//! What a row has so far is kept relative to `exp(largest)`, as in streamed softmax, in its place in the output:
//!
//! ```text
//! Σ_{j so far} (exp(s_j) - f·f_j) v_j  +  f·Σ_j f_j v_j
//! ```
//!
//! It starts from the second sum, of low rank, and from the logarithm of that sum's mass as `largest`. Rounds come one after
//! the other; a pair that shared a bucket in an earlier round is masked. Everything is lane by lane: no row
//! depends on which others it is computed with.

use std::ops::Range;

use crate::attention::clock::{Clock, Task};
use crate::attention::low_rank::{LowRankTile, Whole};
use crate::attention::{Head, rows};
use crate::error::Result;
use crate::features::FIRST;
use crate::memory;
use crate::plan::{Plan, SupportPlan};
use crate::simd::{
    LANES, Lanes, exp_tile, gather_columns, largest, mask_equal, panel_count, product, scale_rows, subtract_entries,
};
use crate::support::Round;

/// Keys that are brought together at a time: with their queries they stay in the first two levels of cache.
const KEYS: usize = 64;

/// Low-rank parts whose logarithms are larger than this are left to the row pass: what a row has is relative to an f32, and
/// two of them must not be too far apart there.
const LOG_LIMIT: f64 = 1e8;

/// The rows of a head under way.
pub(crate) struct Blocks {
    queries: Range<usize>,
    rows: Vec<Row>,
    /// Of the queries, row-major `[queries, padded features]`.
    features: Vec<f32>,
    scratch: Vec<Lanes>,
    /// Buckets, in each earlier round, of the keys at hand, `[rounds, keys]`.
    earlier: Vec<u32>,
    /// What comes next: the row that is to start, then the round, the bucket and the key in it.
    started: usize,
    round: usize,
    bucket: usize,
    key: usize,
}

/// One row under way.
#[derive(Clone)]
struct Row {
    /// Of the logits so far, and of the low-rank mass; its exponential is the unit of the first two sums.
    largest: f32,
    /// `exp(log_scale - largest)`.
    factor: f32,
    support: f64,
    /// Low-rank entries on the support; this, mass and size are in units of exp(log_scale).
    entries: f64,
    log_scale: f64,
    mass: f32,
    size: f32,
    /// Keys in the support.
    count: u32,
}

/// Parts of the scratch: keys of one bucket, and 16 of its queries.
struct Tile<'a> {
    /// `[key tiles, dim, 16]`.
    keys: &'a mut [Lanes],
    /// `[key tiles, features, 16]`.
    key_features: &'a mut [Lanes],
    /// `[value panels, keys]`.
    values: &'a mut [Lanes],
    queries: &'a mut [Lanes],
    query_features: &'a mut [Lanes],
    logits: &'a mut [Lanes],
    entries: &'a mut [Lanes],
}

/// Vectors that a [`Tile`] takes.
fn tile_len(dim: usize, features: usize, value_panels: usize) -> usize {
    (KEYS / LANES + 1) * (dim + features) + KEYS * (value_panels + 2)
}

impl Tile<'_> {
    fn of<'a>(mut scratch: &'a mut [Lanes], head: &Head, features: usize) -> Option<Tile<'a>> {
        let mut take = |len: usize| scratch.split_off_mut(..len);
        Some(Tile {
            keys: take(KEYS / LANES * head.dim)?,
            key_features: take(KEYS / LANES * features)?,
            values: take(KEYS * head.v.count())?,
            queries: take(head.dim)?,
            query_features: take(features)?,
            logits: take(KEYS)?,
            entries: take(KEYS)?,
        })
    }
}

impl Blocks {
    /// For `queries` of a head, with as many `rounds` to come.
    pub fn new(head: &Head, rounds: usize, low_rank: Option<&Whole>, queries: Range<usize>) -> Result<Blocks> {
        let none = Row {
            largest: f32::NEG_INFINITY,
            factor: 0.0,
            support: 0.0,
            entries: 0.0,
            log_scale: f64::NEG_INFINITY,
            mass: 0.0,
            size: 0.0,
            count: 0,
        };
        let stored = if rounds == 0 { 0 } else { queries.len() };
        let features = low_rank.map_or(0, |part| part.keys().cols());
        let padded = panel_count(features) * LANES;
        Ok(Blocks {
            rows: memory::filled("rows under way", queries.len(), none)?,
            features: memory::zeros("query features", stored * padded)?,
            scratch: vec![[0.0; LANES]; tile_len(head.dim, padded, head.v.count())],
            earlier: vec![0; rounds * KEYS],
            queries,
            started: 0,
            round: 0,
            bucket: 0,
            key: 0,
        })
    }

    pub fn queries(&self) -> Range<usize> {
        self.queries.clone()
    }

    /// Scratch bytes of this part of a plan.
    pub fn bytes(plan: &Plan) -> u64 {
        let (shape, features) = (plan.shape, panel_count(plan.feature_count()) * LANES);
        let rounds = match plan.support {
            SupportPlan::Lsh { rounds, .. } | SupportPlan::Smyrf { rounds, .. } => rounds,
            _ => 0,
        };
        let stored = if rounds == 0 { 0 } else { shape.queries };
        let tiles = tile_len(shape.dim, features, panel_count(shape.value_dim));
        let own = (shape.queries * size_of::<Row>() + tiles * size_of::<Lanes>()) as u64;
        own + (stored * features * size_of::<f32>()) as u64 + (rounds * KEYS * size_of::<u32>()) as u64
    }

    /// Share of the work before [`finish`](Self::finish) that is done.
    pub fn fraction(&self, rounds: &[Round]) -> f64 {
        let within = rounds.get(self.round).map_or(0.0, |round| self.bucket as f64 / round.keys.count() as f64);
        let start = self.started as f64 / self.queries.len() as f64;
        (start + self.round as f64 + within) / (1 + rounds.len()) as f64
    }

    /// Does one piece of the work on rows with `rounds`; false if there is none left. `out` are the rows of all queries.
    pub fn step(
        &mut self,
        head: &Head,
        rounds: &[Round],
        low_rank: Option<&Whole>,
        out: &mut [f32],
        clock: &mut Clock,
    ) -> bool {
        let Some(round) = rounds.get(self.round) else { return false };
        if let Some(part) = low_rank
            && self.started < self.queries.len()
        {
            self.start(head, part, out, clock);
            return true;
        }
        // Bucket after bucket, until there were as many keys as are worth a step.
        let mut work = 0;
        while work < KEYS * KEYS && self.bucket < round.keys.count() {
            let keys = round.keys.group(self.bucket);
            let members = round.queries.group(self.bucket);
            let first = members.partition_point(|&query| (query as usize) < self.queries.start);
            let last = members.partition_point(|&query| (query as usize) < self.queries.end);
            let end = keys.len().min(self.key + KEYS);
            if first < last && self.key < end {
                let (keys, members) = (&keys[self.key..end], &members[first..last]);
                self.pairs(head, &rounds[..=self.round], low_rank, keys, members, out, clock);
                work += keys.len() * members.len();
            }
            self.key = end;
            if first == last || end == keys.len() {
                (self.bucket, self.key) = (self.bucket + 1, 0);
            }
        }
        if self.bucket == round.keys.count() {
            (self.round, self.bucket) = (self.round + 1, 0);
        }
        true
    }

    /// Starts the next 64 rows with their low-rank part. In order: bucket by bucket the writes miss the caches.
    pub fn start(&mut self, head: &Head, part: &Whole, out: &mut [f32], clock: &mut Clock) {
        let end = self.queries.len().min(self.started + KEYS);
        while self.started < end {
            let rows = self.started..end.min(self.started + LANES);
            self.started = rows.end;
            self.start_tile(head, part, rows, out, clock);
        }
    }

    fn start_tile(&mut self, head: &Head, part: &Whole, rows: Range<usize>, out: &mut [f32], clock: &mut Clock) {
        let (first, last) = (rows.start + self.queries.start, rows.end + self.queries.start);
        let LowRankTile { features, log_scale, mass, size, mut readout } = part.tile(head, first, last, clock);
        let mut factors = [0.0; LANES];
        for (lane, row) in self.rows[rows.clone()].iter_mut().enumerate() {
            (row.mass, row.size) = (mass[lane], size[lane]);
            if log_scale[lane].abs() < LOG_LIMIT && size[lane] > 0.0 {
                row.log_scale = log_scale[lane];
                row.largest = (log_scale[lane] + f64::from(size[lane]).ln()) as f32;
                row.factor = row.factor();
            }
            factors[lane] = row.factor;
            if self.features.is_empty() {
                factors[lane] *= row.total(true, usize::MAX).map_or(0.0, |total| (1.0 / total) as f32);
            }
        }
        for (p, tile) in readout.as_chunks_mut().0.iter_mut().enumerate() {
            scale_rows(tile, &factors);
            for (row, lanes) in rows.clone().zip(&*tile) {
                put(out, row, head.value_dim, p, lanes);
            }
        }
        if !self.features.is_empty() {
            for (p, tile) in features.as_chunks::<LANES>().0.iter().enumerate() {
                let mut transposed = [[0.0; LANES]; LANES];
                gather_columns(tile.as_flattened(), &FIRST, &mut transposed);
                for (row, lanes) in rows.clone().zip(&transposed) {
                    put(&mut self.features, row, features.len(), p, lanes);
                }
            }
        }
        clock.lap(Task::LowRank);
    }

    /// Takes in the pairs of at most [`KEYS`] keys with the queries of their bucket in the last of `rounds`.
    #[allow(clippy::too_many_arguments)]
    fn pairs(
        &mut self,
        head: &Head,
        rounds: &[Round],
        low_rank: Option<&Whole>,
        keys: &[u32],
        queries: &[u32],
        out: &mut [f32],
        clock: &mut Clock,
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let padded = low_rank.map_or(0, |part| part.keys().count() * LANES);
        let Some(mut tile) = Tile::of(&mut scratch, head, padded) else { return };
        tile.gather_keys(head, low_rank, keys);
        let before = &rounds[..rounds.len() - 1];
        for (out, round) in self.earlier.chunks_exact_mut(KEYS).zip(before) {
            out.iter_mut().zip(keys).for_each(|(out, &key)| *out = round.of_key[key as usize]);
        }
        clock.lap(Task::Gather);
        for queries in queries.chunks(LANES) {
            let mut own = [0; LANES];
            own.iter_mut().zip(queries).for_each(|(own, &query)| *own = query - self.queries.start as u32);
            let own = &own[..queries.len()];
            tile.products(head, &self.features, keys.len(), queries, own);
            tile.add(head, before, &self.earlier, keys.len(), queries, own, &mut self.rows, out);
        }
        self.scratch = scratch;
        clock.lap(Task::Tiles);
    }

    /// Normalises the rows of `queries`, at most 16, in `out` `[queries, value_dim]`, adds the entries of their supports to `entries`,
    /// and returns the lanes, as bits, that are to be computed by the row pass.
    pub fn finish(
        &self,
        head: &Head,
        queries: Range<usize>,
        low_rank: bool,
        out: &mut [f32],
        entries: &mut u64,
    ) -> u32 {
        let (mut factors, mut left) = ([0.0; LANES], 0);
        for (lane, query) in queries.clone().enumerate() {
            let row = &self.rows[query - self.queries.start];
            match row.total(low_rank, head.visible(query)) {
                Some(total) => {
                    // A row with neither a support nor a low-rank part is 0.
                    factors[lane] = if total > 0.0 { (1.0 / total) as f32 } else { 0.0 };
                    *entries += u64::from(row.count);
                }
                None => left |= 1 << lane,
            }
        }
        if low_rank && self.features.is_empty() {
            // Without rounds the rows were normalised as they were started.
            return left;
        }
        for p in 0..head.v.count() {
            let mut tile = [[0.0; LANES]; LANES];
            for (row, lanes) in tile.iter_mut().enumerate().take(queries.len()) {
                get(out, row, head.value_dim, p, lanes);
            }
            scale_rows(&mut tile, &factors);
            for (row, lanes) in tile.iter().enumerate().take(queries.len()) {
                put(out, row, head.value_dim, p, lanes);
            }
        }
        left
    }
}

impl Row {
    /// The normaliser, in units of `exp(largest)`; `None` where the row pass must find it.
    fn total(&self, low_rank: bool, visible: usize) -> Option<f64> {
        if !low_rank {
            return Some(self.support);
        }
        let unit = (self.log_scale - f64::from(self.largest)).exp();
        let rest = (f64::from(self.mass) - self.entries) * unit;
        let error = f64::from(self.size) * rows::ROUNDING * unit;
        let drowned = error > rows::TOLERANCE * (self.support + rest.max(0.0)) || rest.abs() <= error;
        let wild = self.log_scale == f64::NEG_INFINITY;
        let careful = wild || self.count > 0 && (drowned || self.count as usize == visible);
        let total = self.support + rest;
        (!careful && total > 0.0).then_some(total)
    }

    fn factor(&self) -> f32 {
        (self.log_scale - f64::from(self.largest)).exp() as f32
    }
}

impl Tile<'_> {
    fn gather_keys(&mut self, head: &Head, low_rank: Option<&Whole>, keys: &[u32]) {
        for (tile, keys) in self.keys.chunks_exact_mut(head.dim).zip(keys.chunks(LANES)) {
            gather_columns(&head.k, keys, tile);
        }
        if let Some(part) = low_rank {
            let features = part.keys();
            for (tile, keys) in self.key_features.chunks_exact_mut(features.count() * LANES).zip(keys.chunks(LANES)) {
                for (p, tile) in tile.chunks_exact_mut(LANES).enumerate() {
                    gather_columns(features.panel(p).as_flattened(), keys, tile);
                }
            }
        }
        for (p, values) in self.values.chunks_exact_mut(KEYS).enumerate() {
            let panel = head.v.panel(p);
            values.iter_mut().zip(keys).for_each(|(out, &key)| *out = panel[key as usize]);
        }
    }

    /// Logits and low-rank entries of 16 queries, `own` among the rows under way, with the keys.
    fn products(&mut self, head: &Head, features: &[f32], keys: usize, queries: &[u32], own: &[u32]) {
        let tiles = panel_count(keys);
        gather_columns(&head.q, queries, self.queries);
        for (n, tile) in self.logits.as_chunks_mut().0[..tiles].iter_mut().enumerate() {
            product(&self.keys[n * head.dim..(n + 1) * head.dim], self.queries, tile, false);
        }
        if !self.query_features.is_empty() {
            gather_columns(features, own, self.query_features);
            let len = self.query_features.len();
            for (n, tile) in self.entries.as_chunks_mut().0[..tiles].iter_mut().enumerate() {
                product(&self.key_features[n * len..(n + 1) * len], self.query_features, tile, false);
            }
        }
    }

    /// Takes the pairs of the tile into the rows `own` of `queries`, except those that shared a bucket in one of the `earlier` rounds;
    /// `buckets` are those of the keys.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        head: &Head,
        earlier: &[Round],
        buckets: &[u32],
        keys: usize,
        queries: &[u32],
        own: &[u32],
        rows: &mut [Row],
        out: &mut [f32],
    ) {
        let (logits, entries) = (&mut self.logits[..keys], &mut self.entries[..keys]);
        let mut count = [keys as f32; LANES];
        for (round, keys) in earlier.iter().zip(buckets.chunks_exact(KEYS)) {
            let mut own = [u32::MAX; LANES];
            for (bucket, &query) in own.iter_mut().zip(queries) {
                *bucket = round.of_query[query as usize];
            }
            let masked = mask_equal(logits, entries, keys, &own);
            count.iter_mut().zip(masked).for_each(|(count, masked)| *count -= masked);
        }

        let mut before = [f32::NEG_INFINITY; LANES];
        before.iter_mut().zip(own).for_each(|(x, &row)| *x = rows[row as usize].largest);
        let now = largest(logits, &before);
        // Where there was nothing yet, and is nothing, anything will do as long as it is finite.
        let mut shift = now;
        shift.iter_mut().for_each(|x| *x = if *x == f32::NEG_INFINITY { 0.0 } else { *x });
        let mut shrink = [before];
        exp_tile(&mut shrink, &shift);
        let sums = exp_tile(logits, &shift);
        let mut factors = [0.0; LANES];
        for (lane, &row) in own.iter().enumerate() {
            let row = &mut rows[row as usize];
            if now[lane] != row.largest {
                row.support *= f64::from(shrink[0][lane]);
                row.largest = now[lane];
                row.factor = row.factor();
            }
            row.support += f64::from(sums[lane]);
            row.count += count[lane] as u32;
            factors[lane] = row.factor;
        }
        if !self.query_features.is_empty() {
            let sums = subtract_entries(logits, entries, &factors);
            own.iter().zip(sums).for_each(|(&row, sum)| rows[row as usize].entries += f64::from(sum));
        }
        let mut sum = [[0.0; LANES]; LANES];
        for (p, values) in self.values.chunks_exact(KEYS).enumerate() {
            for (lanes, &row) in sum.iter_mut().zip(own) {
                get(out, row as usize, head.value_dim, p, lanes);
            }
            if shrink[0] != [1.0; LANES] {
                scale_rows(&mut sum, &shrink[0]);
            }
            product(logits, &values[..keys], &mut sum, true);
            for (lanes, &row) in sum.iter().zip(own) {
                put(out, row as usize, head.value_dim, p, lanes);
            }
        }
    }
}

/// Where panel `p` of row `row` lies in a matrix of rows `dim` long.
fn place(row: usize, dim: usize, p: usize) -> Range<usize> {
    row * dim + p * LANES..row * dim + dim.min((p + 1) * LANES)
}

fn get(matrix: &[f32], row: usize, dim: usize, p: usize, lanes: &mut Lanes) {
    let from = &matrix[place(row, dim, p)];
    match from.first_chunk() {
        Some(whole) => *lanes = *whole,
        None => lanes[..from.len()].copy_from_slice(from),
    }
}

fn put(matrix: &mut [f32], row: usize, dim: usize, p: usize, lanes: &Lanes) {
    let to = &mut matrix[place(row, dim, p)];
    match to.first_chunk_mut() {
        Some(whole) => *whole = *lanes,
        None => to.copy_from_slice(&lanes[..to.len()]),
    }
}
