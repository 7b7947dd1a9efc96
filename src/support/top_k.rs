//! The keys of largest logit, found exactly: O(queries · keys) time, streamed.

use std::cmp::Ordering;
use std::ops::Range;

use crate::attention::Head;
use crate::error::Result;
use crate::simd::{LANES, Panels, product};
use crate::support::Rows;

pub(crate) struct TopK {
    /// `[dim, keys]`.
    keys: Panels,
    count: usize,
}

/// Candidates a row may hold before the weakest are dropped.
pub(super) fn capacity(count: usize) -> usize {
    2 * count + LANES
}

impl TopK {
    pub fn new(head: &Head, count: usize) -> Result<TopK> {
        let keys = Panels::from_columns("keys, transposed", &head.k, head.keys, head.dim, 1.0)?;
        Ok(TopK { keys, count: count.min(head.keys) })
    }

    pub fn rows(&self, head: &Head, queries: Range<usize>, out: &mut Rows) {
        let first = queries.start;
        let mut columns = vec![[0.0; LANES]; head.dim];
        for (lane, query) in queries.clone().enumerate() {
            columns.iter_mut().zip(head.query(query)).for_each(|(column, &x)| column[lane] = x);
        }
        let mut candidates: Vec<Vec<(f32, u32)>> = vec![Vec::with_capacity(capacity(self.count)); queries.len()];
        for p in 0..head.visible(queries.end - 1).div_ceil(LANES) {
            let mut tile = [[0.0; LANES]; LANES];
            product(self.keys.panel(p), &columns, &mut tile, false);
            for (lane, own) in candidates.iter_mut().enumerate() {
                let visible = head.visible(first + lane);
                for (key, row) in (p * LANES..visible).zip(&tile) {
                    own.push((row[lane], key as u32));
                }
                if own.len() + LANES > capacity(self.count) {
                    keep_largest(own, self.count);
                }
            }
        }
        for own in &mut candidates {
            keep_largest(own, self.count);
            out.indices.extend(own.iter().map(|&(_, key)| key));
            out.close_union();
        }
    }
}

/// Larger logits first; among equal ones the earlier key.
fn keep_largest(candidates: &mut Vec<(f32, u32)>, count: usize) {
    if candidates.len() > count {
        let larger_first = |a: &(f32, u32), b: &(f32, u32)| -> Ordering { b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)) };
        candidates.select_nth_unstable_by(count - 1, larger_first);
        candidates.truncate(count);
    }
}
