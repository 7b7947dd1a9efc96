//! Who decides which entries are exact. A prepared support answers one question: the keys of a query.

mod buckets;
mod clusters;
pub mod lsh;
pub mod smyrf;
mod sort;
mod top_k;

use std::ops::Range;

pub(crate) use buckets::{Buckets, Round};
pub(crate) use sort::sort;

use crate::attention::{Clock, Head};
use crate::clusters::Tree;
use crate::error::Result;
use crate::memory;
use crate::plan::{Plan, SupportPlan};

/// Supports of some consecutive queries: ascending, distinct, visible keys.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    ends: Vec<usize>,
    indices: Vec<u32>,
    /// Lists to be united, and scratch of the same length.
    united: Vec<u64>,
    spare: Vec<u64>,
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

    /// Adds the union of `lists` to the open row.
    fn unite<'a>(&mut self, lists: impl Iterator<Item = &'a [u32]>) {
        self.united.clear();
        self.united.extend(lists.flatten().map(|&key| u64::from(key)));
        sort(&mut self.united, &mut self.spare);
        self.united.dedup();
        self.indices.extend(self.united.iter().map(|&key| key as u32));
    }

    /// Closes the open row.
    fn close(&mut self) {
        self.ends.push(self.indices.len());
    }
}

/// A support fitted to one head.
pub(crate) enum Support {
    Empty,
    Window { size: usize },
    TopK(top_k::TopK),
    Buckets(Buckets),
    Clusters(Box<clusters::Clusters>),
    Explicit,
}

impl Support {
    /// Hashes and sorts where there is something to hash and sort. `None` for the full support. `raw_queries` are
    /// those of the head, not scaled: a hash must not depend on the temperature, not even by rounding.
    pub fn new(plan: &Plan, head: &Head, raw_queries: &[f32], clock: &mut Clock) -> Result<Option<Support>> {
        let seed = plan.seed;
        Ok(Some(match plan.support {
            SupportPlan::All => return Ok(None),
            SupportPlan::Empty => Support::Empty,
            SupportPlan::Window { size } => Support::Window { size },
            SupportPlan::TopK { count } => Support::TopK(top_k::TopK::new(head, count)?),
            SupportPlan::Lsh { rounds, chunk } => {
                Support::Buckets(lsh::buckets(seed, head, raw_queries, rounds, chunk, clock)?)
            }
            SupportPlan::Smyrf { cluster, rounds } => {
                Support::Buckets(smyrf::buckets(seed, head, raw_queries, cluster, rounds, clock)?)
            }
            SupportPlan::Clusters { count } => Support::Clusters(Box::new(clusters::Clusters::new(seed, head, count)?)),
            SupportPlan::Explicit(_) => Support::Explicit,
        }))
    }

    /// The rounds of hashing, none for an empty support; `None` for one that does not consist of blocks.
    pub fn rounds(&self, head: &Head) -> Option<&[Round]> {
        match self {
            _ if head.causal => None,
            Support::Empty => Some(&[]),
            Support::Buckets(buckets) => Some(&buckets.rounds),
            _ => None,
        }
    }

    /// The keys of each of `queries`, at most 16 of them; queries must come in ascending order.
    ///
    /// # Errors
    /// Out of memory, for a causal tree.
    pub fn rows(&mut self, plan: &Plan, head: &Head, queries: Range<usize>, out: &mut Rows) -> Result<()> {
        out.clear();
        match self {
            Support::TopK(top_k) => {
                top_k.rows(head, queries, out);
                return Ok(());
            }
            Support::Clusters(clusters) => return clusters.rows(head, queries, out),
            _ => {}
        }
        for query in queries {
            let visible = head.visible(query);
            match self {
                Support::Window { size } => {
                    let band = window(query, *size, head.causal);
                    out.indices.extend(band.start.min(visible) as u32..band.end.min(visible) as u32);
                    out.close();
                }
                Support::Buckets(buckets) => {
                    out.unite((0..buckets.rounds.len()).map(|round| buckets.keys(query, round, visible)));
                    out.close();
                }
                Support::Explicit => {
                    if let SupportPlan::Explicit(csr) = &plan.support {
                        let row = csr.row(head.slice, query, head.queries);
                        out.indices.extend_from_slice(&row[..row.partition_point(|&key| (key as usize) < visible)]);
                    }
                    out.close();
                }
                Support::Empty | Support::TopK(_) | Support::Clusters(_) => out.close(),
            }
        }
        Ok(())
    }

    /// Scratch bytes of this part of a plan.
    pub fn bytes(plan: &Plan) -> u64 {
        let shape = plan.shape;
        let per_round = (shape.queries + shape.keys) * (size_of::<f64>() + 2 * size_of::<u32>());
        (match &plan.support {
            SupportPlan::All | SupportPlan::Empty | SupportPlan::Window { .. } => 0,
            SupportPlan::Clusters { .. } => return Tree::bytes(plan),
            SupportPlan::TopK { count } => {
                shape.keys.next_multiple_of(16) * shape.dim * 4
                    + (16 + 2) * top_k::capacity((*count).min(shape.keys)) * 8
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

/// The first rank of a piece.
#[cfg(feature = "webgpu")]
pub(crate) fn piece_start(piece: usize, len: usize, pieces: usize) -> usize {
    (piece as u64 * len as u64 / pieces as u64) as usize
}

/// An integer that sorts as `x`, rounded to f32, does, and among equals as `index`, which its lower half holds.
pub(crate) fn sortable(x: f64, index: u32) -> u64 {
    let bits = (x as f32).to_bits();
    let ordered = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    u64::from(ordered) << 32 | u64::from(index)
}

/// Keys grouped, ascending inside a group.
pub(crate) struct Groups {
    keys: Vec<u32>,
    /// Where each group starts, and the end.
    starts: Vec<u32>,
}

impl Groups {
    /// Key j goes to group `group_of[j]`.
    fn new(group_of: &[u32], groups: usize) -> Result<Groups> {
        let mut starts = memory::filled("the support", groups + 1, 0u32)?;
        group_of.iter().for_each(|&group| starts[group as usize + 1] += 1);
        (0..groups).for_each(|group| starts[group + 1] += starts[group]);
        let mut next = starts.clone();
        let mut keys = memory::filled("the support", group_of.len(), 0u32)?;
        for (key, &group) in (0u32..).zip(group_of) {
            keys[next[group as usize] as usize] = key;
            next[group as usize] += 1;
        }
        Ok(Groups { keys, starts })
    }

    fn range(&self, group: usize) -> Range<usize> {
        self.starts[group] as usize..self.starts[group + 1] as usize
    }

    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn group(&self, group: usize) -> &[u32] {
        &self.keys[self.range(group)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_consecutive_and_equal_to_one() {
        for len in 1..40 {
            for pieces in 1..=len {
                let owners: Vec<usize> = (0..len).map(|rank| piece_of(rank, len, pieces)).collect();
                assert!(owners.is_sorted() && owners[len - 1] == pieces - 1);
                for piece in 0..pieces {
                    let size = owners.iter().filter(|&&owner| owner == piece).count();
                    #[cfg(feature = "webgpu")]
                    assert_eq!(piece_start(piece, len, pieces), owners.partition_point(|&owner| owner < piece));
                    assert!(size == len / pieces || size == len.div_ceil(pieces), "{size} of {len} in {pieces}");
                }
            }
        }
    }

    #[test]
    fn sortable_keeps_the_order() {
        let numbers = [f64::NEG_INFINITY, -3.0, -1e-3, 0.0, 1e-30, 2.5, 1e30];
        assert!(numbers.windows(2).all(|pair| sortable(pair[0], 9) < sortable(pair[1], 0)));
        assert!(sortable(1.0, 3) < sortable(1.0, 4) && sortable(1.0, 7) as u32 == 7);
    }

    #[test]
    fn unite_is_a_set_union() {
        let mut rows = Rows::default();
        rows.unite([&[9][..]].into_iter());
        rows.close();
        rows.unite([&[2, 5, 7][..], &[], &[1, 5, 8], &[5, 7, 9]].into_iter());
        rows.close();
        assert_eq!((rows.row(0), rows.row(1)), (&[9][..], &[1, 2, 5, 7, 8, 9][..]));
    }
}
