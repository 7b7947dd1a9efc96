//! Cutting a plan: parts of its rows can be computed apart, on several cores, and come out with the same bits.

use std::ops::Range;

use crate::attention::BLOCK;
use crate::error::Result;
use crate::plan::{Plan, SupportPlan};
use crate::shape::MAX_SIZE;

/// Consecutive rows of a plan, and where in the tensors of the call lies what they read and write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// Counted over all heads of all sequences: `(batch * heads + head) * queries + query`.
    pub rows: Range<usize>,
    /// Of the query tensor.
    pub q: Range<usize>,
    /// Of the key tensor.
    pub k: Range<usize>,
    /// Of the value tensor.
    pub v: Range<usize>,
    /// Of the output.
    pub output: Range<usize>,
}

impl Part {
    /// Where the rows of `queries` of slice `slice` lie in the part's own output.
    pub(super) fn output_of(&self, plan: &Plan, slice: usize, queries: Range<usize>) -> Range<usize> {
        let dim = plan.shape.value_dim;
        let start = plan.shape.output_range(slice).start + queries.start * dim - self.output.start;
        start..start + queries.len() * dim
    }
}

impl Plan {
    /// Part `index` of `count`, which take about the same work: whole heads, and blocks of 64 queries where rows are most of
    /// the work, which is of exact attention and, unless causal, of landmarks. `None` if it has no rows, which happens where there are more parts than heads or blocks, for an `index` that is
    /// not below `count`, and for a `count` above [`MAX_SIZE`].
    pub fn part(&self, index: usize, count: usize) -> Option<Part> {
        if index >= count || count > MAX_SIZE {
            return None;
        }
        let rows = self.boundary(index, count)..self.boundary(index + 1, count);
        (!rows.is_empty()).then(|| self.rows(rows))
    }

    /// All rows.
    pub(crate) fn whole(&self) -> Part {
        self.rows(0..self.shape.slices() * self.shape.queries)
    }

    /// Checks the lengths of tensors against those of a part.
    pub(crate) fn check_lengths(&self, lengths: [usize; 3], part: &Part) -> Result<()> {
        let share = if self.is_whole(part) { "" } else { "a part of " };
        self.shape.check_lengths(share, lengths, [part.q.len(), part.k.len(), part.v.len()])
    }

    pub(crate) fn is_whole(&self, part: &Part) -> bool {
        part.rows.len() == self.shape.slices() * self.shape.queries
    }

    /// Where part `index` begins. Within a slice that is at a multiple of [`BLOCK`]: the same queries are worked on
    /// together in every cut.
    fn boundary(&self, index: usize, count: usize) -> usize {
        let (slices, queries) = (self.shape.slices(), self.shape.queries);
        // slices * index / count, without the product of all slices, which may be too large.
        let over = (slices % count) as u64 * index as u64;
        let slice = slices / count * index + (over / count as u64) as usize;
        let rest = (over % count as u64) as f64 / count as f64;
        let rows_alone = matches!(self.support, SupportPlan::All) || (self.cluster_walk().is_some() && !self.causal);
        if !rows_alone {
            // A row needs what was made of the whole slice: making it twice would cost what sharing gains.
            return (slice + usize::from(rest >= 0.5)) * queries;
        }
        // The keys that causal rows see, added up, grow with the square of their number.
        let share = if self.causal { rest.sqrt() } else { rest };
        let blocks = (share * queries as f64 / BLOCK as f64).round_ties_even() as usize;
        slice * queries + queries.min(blocks * BLOCK)
    }

    /// Inputs are those of whole slices.
    fn rows(&self, rows: Range<usize>) -> Part {
        let shape = self.shape;
        let (first, last) = (rows.start / shape.queries, (rows.end - 1) / shape.queries);
        Part {
            q: shape.q_range(first).start..shape.q_range(last).end,
            k: shape.k_range(first).start..shape.k_range(last).end,
            v: shape.v_range(first).start..shape.v_range(last).end,
            output: rows.start * shape.value_dim..rows.end * shape.value_dim,
            rows,
        }
    }
}
