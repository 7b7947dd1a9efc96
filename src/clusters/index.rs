//! The tree that a query may look at: of all keys, or, causal, of the keys so far.
//!
//! Causal: keys are closed off in blocks, and a block becomes a root of its own. As in a binary counter, two
//! roots of equally many blocks are replaced by one, and when all but the first root together have half as many as the
//! first, one root replaces them all: a key is sorted into clusters O(log keys) times, and a query finds one
//! large root and few small ones. Each depends on its own keys and on queries up to them, so never on anything
//! that comes after the query. The block still open, and the first few keys, which trained models use as a place to
//! put attention that goes nowhere, are exact.

use chacha20::ChaCha8Rng;

use crate::attention::Head;
use crate::clusters::metric::Metric;
#[cfg(feature = "webgpu")]
use crate::clusters::tree::TOP;
use crate::clusters::tree::{Tree, WHAT};
use crate::error::Result;
use crate::moments::Moments;
use crate::random::{Purpose, generator};
use crate::simd::LANES;

/// Keys in a block. Smaller ones are sorted more often, larger ones leave more keys exact, needed or not.
const BLOCK: usize = 16;

/// First keys that are always exact when causal.
const SINKS: usize = 4;

pub(crate) struct Index {
    tree: Tree,
    /// Of the queries so far.
    moments: Moments,
    /// Of the queries of the first `measured` blocks; causal only.
    metric: Option<Metric>,
    measured: usize,
    /// Blocks of each root, none larger than the one before; causal only.
    sizes: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Index {
    /// Of all keys, without values; causal: of none yet.
    pub fn new(seed: u64, head: &Head) -> Result<Index> {
        let mut index = Index {
            tree: Tree::new(head.dim, head.value_dim, head.keys)?,
            moments: Moments::new(WHAT, vec![0.0; head.dim])?,
            metric: None,
            measured: 0,
            sizes: Vec::new(),
            rng: generator(seed, head.slice, Purpose::Clusters),
        };
        if !head.causal {
            index.moments.add_rounded(&head.q);
            let metric = Metric::new(&index.moments, head.dim)?;
            index.tree.add_root(head, 0..head.keys, &metric, &mut index.rng)?;
        }
        Ok(index)
    }

    /// Gives clusters the means of their keys' values; causal they have none yet.
    pub fn set_values(&mut self, head: &Head) {
        if !head.causal {
            self.tree.set_values_of_last_root(&head.v);
        }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Brings the tree up to `query`; queries must come in ascending order. Lists the keys that it does not hold.
    pub fn advance(&mut self, head: &Head, query: usize, direct: &mut Vec<u32>) -> Result<()> {
        direct.clear();
        if !head.causal {
            return Ok(());
        }
        let closed = query.min(head.keys) / BLOCK;
        while self.sizes.iter().sum::<usize>() < closed {
            self.close_block(head)?;
        }
        let visible = head.visible(query);
        direct.extend((0..visible.min(SINKS)).chain((closed * BLOCK).max(SINKS)..visible).map(|key| key as u32));
        Ok(())
    }

    /// The trees of all queries in one, and the clusters above their roots: that of the first 16 queries, of the next 16, ..., the
    /// last for all the others too. Not causal there is one. `head` must have values.
    #[cfg(feature = "webgpu")]
    pub fn of_all_queries(seed: u64, head: &Head) -> Result<(Tree, Vec<u32>)> {
        if head.keys == 0 {
            return Ok((Tree::new(head.dim, head.value_dim, 0)?, vec![TOP]));
        }
        let mut index = Index::new(seed, head)?;
        index.set_values(head);
        let mut tops = vec![TOP];
        if head.causal {
            index.tree.keep_all();
            tops[0] = index.tree.copy_top()?;
            for _ in 0..(head.queries - 1).min(head.keys) / BLOCK {
                index.close_block(head)?;
                tops.push(index.tree.copy_top()?);
            }
        }
        Ok((index.tree, tops))
    }

    fn close_block(&mut self, head: &Head) -> Result<()> {
        let end = self.sizes.iter().sum::<usize>() + 1;
        self.moments.add_rounded(&head.q[(end - 1) * BLOCK * head.dim..end * BLOCK * head.dim]);
        let largest = self.sizes.first().copied().unwrap_or(0);
        let mut size = 1;
        if 2 * (end - largest) >= largest || self.sizes.len() == LANES {
            self.sizes.clear();
            size = end;
        }
        while self.sizes.last() == Some(&size) {
            self.sizes.pop();
            size *= 2;
        }
        self.tree.remove_roots(self.sizes.len());
        self.sizes.push(size);
        let keys = ((end - size) * BLOCK).max(SINKS)..end * BLOCK;
        let metric = match self.metric.take() {
            Some(metric) if 8 * end < 9 * self.measured => metric,
            _ => {
                self.measured = end;
                Metric::new(&self.moments, head.dim)?
            }
        };
        self.tree.add_root(head, keys, self.metric.insert(metric), &mut self.rng)?;
        self.tree.set_values_of_last_root(&head.v);
        Ok(())
    }
}
