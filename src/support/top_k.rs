//! The keys of largest logit, found exactly: O(queries · keys) time, streamed.

use std::ops::Range;

use crate::attention::Head;
use crate::error::Result;
use crate::simd::{LANES, Panels, product};
use crate::support::{Rows, sort, sortable};

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
        let mut candidates: Vec<Vec<u64>> = vec![Vec::with_capacity(capacity(self.count)); queries.len()];
        // Nothing above it can be among the smallest any more.
        let mut limits = [u64::MAX; LANES];
        let (mut scratch, mut spare) =
            (Vec::with_capacity(capacity(self.count)), Vec::with_capacity(capacity(self.count)));
        for p in 0..head.visible(queries.end - 1).div_ceil(LANES) {
            let mut tile = [[0.0; LANES]; LANES];
            product(self.keys.panel(p), &columns, &mut tile, false);
            for (lane, own) in candidates.iter_mut().enumerate() {
                let visible = head.visible(first + lane);
                for (key, row) in (p * LANES..visible).zip(&tile) {
                    // Negated: the smallest are the largest logits, earlier keys first.
                    let entry = sortable(f64::from(-row[lane]), key as u32);
                    if entry < limits[lane] {
                        own.push(entry);
                    }
                }
                if own.len() + LANES > capacity(self.count) {
                    limits[lane] = keep_smallest(own, self.count, &mut scratch, &mut spare);
                }
            }
        }
        for own in &mut candidates {
            keep_smallest(own, self.count, &mut scratch, &mut spare);
            out.indices.extend(own.iter().map(|&entry| entry as u32));
            out.close();
        }
    }
}

/// Keeps the `count` smallest, in the order they are in, and returns the largest of them.
fn keep_smallest(candidates: &mut Vec<u64>, count: usize, scratch: &mut Vec<u64>, spare: &mut Vec<u64>) -> u64 {
    if candidates.len() <= count {
        return u64::MAX;
    }
    scratch.clear();
    scratch.extend_from_slice(candidates);
    sort(scratch, spare);
    let last = scratch[count - 1];
    candidates.retain(|&entry| entry <= last);
    last
}
