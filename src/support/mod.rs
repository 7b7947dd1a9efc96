//! Who decides which entries are exact. A prepared support answers one question: the keys of a query.

pub mod lsh;
pub mod smyrf;
mod top_k;

use std::ops::Range;

use crate::attention::Head;
use crate::error::Result;
use crate::plan::{Plan, SupportPlan};

/// Supports of some consecutive queries: ascending, distinct, visible keys.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    ends: Vec<usize>,
    indices: Vec<u32>,
}

impl Rows {
    pub fn clear(&mut self) {
        self.ends.clear();
        self.indices.clear();
    }

    /// The keys of the n-th query.
    pub fn row(&self, n: usize) -> &[u32] {
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.indices[start..self.ends[n]]
    }

    pub fn entries(&self) -> usize {
        self.indices.len()
    }

    /// Closes a row whose keys were appended in any order, perhaps several times.
    fn close_union(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        self.indices[start..].sort_unstable();
        let mut kept = start;
        for i in start..self.indices.len() {
            if kept == start || self.indices[kept - 1] != self.indices[i] {
                self.indices[kept] = self.indices[i];
                kept += 1;
            }
        }
        self.indices.truncate(kept);
        self.ends.push(kept);
    }

    /// Closes a row whose keys were appended ascending.
    fn close(&mut self) {
        self.ends.push(self.indices.len());
    }
}

/// A support fitted to one head.
pub(crate) enum Support {
    Empty,
    Window { size: usize },
    TopK(top_k::TopK),
    Lsh(lsh::Lsh),
    Smyrf(smyrf::Smyrf),
    Explicit,
}

impl Support {
    /// Hashes and sorts where there is something to hash and sort. `None` for the full support.
    pub fn new(plan: &Plan, head: &Head) -> Result<Option<Support>> {
        Ok(Some(match plan.support {
            SupportPlan::All => return Ok(None),
            SupportPlan::Empty => Support::Empty,
            SupportPlan::Window { size } => Support::Window { size },
            SupportPlan::TopK { count } => Support::TopK(top_k::TopK::new(head, count)?),
            SupportPlan::Lsh { rounds, chunk } => Support::Lsh(lsh::Lsh::new(plan.seed, head, rounds, chunk)?),
            SupportPlan::Smyrf { cluster, rounds } => {
                Support::Smyrf(smyrf::Smyrf::new(plan.seed, head, cluster, rounds)?)
            }
            SupportPlan::Explicit(_) => Support::Explicit,
        }))
    }

    /// The keys of each of `queries`, at most 16 of them.
    pub fn rows(&self, plan: &Plan, head: &Head, queries: Range<usize>, out: &mut Rows) {
        out.clear();
        if let Support::TopK(top_k) = self {
            return top_k.rows(head, queries, out);
        }
        for query in queries {
            let visible = head.visible(query);
            match self {
                Support::Window { size } => {
                    let band = window(query, *size, head.causal);
                    out.indices.extend(band.start.min(visible) as u32..band.end.min(visible) as u32);
                    out.close();
                }
                Support::Lsh(lsh) => {
                    (0..lsh.rounds()).for_each(|round| out.indices.extend_from_slice(lsh.keys(query, round, visible)));
                    out.close_union();
                }
                Support::Smyrf(smyrf) => {
                    (0..smyrf.rounds()).for_each(|round| out.indices.extend_from_slice(smyrf.keys(query, round)));
                    out.close_union();
                }
                Support::Explicit => {
                    if let SupportPlan::Explicit(csr) = &plan.support {
                        let row = csr.row(head.slice, query, head.queries);
                        out.indices.extend_from_slice(&row[..row.partition_point(|&key| (key as usize) < visible)]);
                    }
                    out.close();
                }
                Support::Empty | Support::TopK(_) => out.close(),
            }
        }
    }

    /// Scratch bytes of this part of a plan.
    pub fn bytes(plan: &Plan) -> u64 {
        let shape = plan.shape;
        let per_round = (shape.queries + shape.keys) * (size_of::<f64>() + 2 * size_of::<u32>());
        (match &plan.support {
            SupportPlan::All | SupportPlan::Empty | SupportPlan::Window { .. } => 0,
            SupportPlan::TopK { count } => {
                shape.keys.next_multiple_of(16) * shape.dim * 4 + 16 * top_k::capacity((*count).min(shape.keys)) * 8
            }
            SupportPlan::Lsh { rounds, .. } | SupportPlan::Smyrf { rounds, .. } => rounds * per_round,
            SupportPlan::Explicit(csr) => csr.bytes(),
        }) as u64
    }
}

/// The band of a window; causal windows end at the query itself.
fn window(query: usize, size: usize, causal: bool) -> Range<usize> {
    if causal {
        (query + 1).saturating_sub(size)..query + 1
    } else {
        query.saturating_sub(size / 2)..query + size.div_ceil(2)
    }
}

/// The piece of `0..len`, cut into `pieces` equal ones, that holds `rank`.
fn piece_of(rank: usize, len: usize, pieces: usize) -> usize {
    (((rank as u64 + 1) * pieces as u64 - 1) / len as u64) as usize
}

/// Piece `piece` of `0..len`, cut into `pieces` equal ones.
fn piece(piece: usize, len: usize, pieces: usize) -> Range<usize> {
    let cut = |piece: usize| (piece as u64 * len as u64 / pieces as u64) as usize;
    cut(piece)..cut(piece + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_once_and_know_their_ranks() {
        for len in 1..40 {
            for pieces in 1..=len {
                let mut next = 0;
                for p in 0..pieces {
                    let range = piece(p, len, pieces);
                    assert_eq!(range.start, next);
                    range.clone().for_each(|rank| assert_eq!(piece_of(rank, len, pieces), p));
                    next = range.end;
                }
                assert_eq!(next, len);
            }
        }
    }
}
