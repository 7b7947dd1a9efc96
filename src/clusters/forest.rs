//! The trees that a query may look at: one over all keys, or, causal, some over the past.
//!
//! Causal: keys are closed off in blocks, and as in a binary counter two trees over equally many blocks are
//! replaced by one over both. Each tree depends on its own keys and on queries up to them, so never on a
//! key that a query using it may not see. The block still open, and the first few keys, which trained
//! models use as a place to put attention that goes nowhere, are exact.

use chacha20::ChaCha8Rng;

use crate::attention::Head;
use crate::clusters::tree::Tree;
use crate::error::Result;
use crate::random::{Purpose, generator};

/// Keys in a block. Smaller ones mean more trees; larger ones more exact keys, needed or not.
const BLOCK: usize = 32;

/// First keys that are always exact when causal.
const SINKS: usize = 4;

pub(crate) struct Forest {
    pub trees: Vec<Tree>,
    /// Blocks in each tree, largest first: powers of two; causal only.
    sizes: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Forest {
    /// The tree over all keys; causal: nothing yet.
    pub fn new(seed: u64, head: &Head) -> Result<Forest> {
        let mut rng = generator(seed, head.slice, Purpose::Clusters);
        let trees = if head.causal { Vec::new() } else { vec![Tree::new(head, 0..head.keys, head.queries, &mut rng)?] };
        Ok(Forest { trees, sizes: Vec::new(), rng })
    }

    /// Brings the trees up to `query`; queries must come in ascending order. Lists the keys that no tree holds.
    pub fn advance(&mut self, head: &Head, query: usize, direct: &mut Vec<u32>) -> Result<()> {
        direct.clear();
        if !head.causal {
            return Ok(());
        }
        let closed = (query / BLOCK).min(head.keys / BLOCK);
        while self.sizes.iter().sum::<usize>() < closed {
            self.close_block(head)?;
        }
        let visible = head.visible(query);
        direct.extend((0..visible.min(SINKS)).chain((closed * BLOCK).max(SINKS)..visible).map(|key| key as u32));
        Ok(())
    }

    fn close_block(&mut self, head: &Head) -> Result<()> {
        let end = self.sizes.iter().sum::<usize>() + 1;
        let mut size = 1;
        while self.sizes.last() == Some(&size) {
            self.sizes.pop();
            self.trees.pop();
            size *= 2;
        }
        let start = ((end - size) * BLOCK).max(SINKS);
        self.trees.push(Tree::new(head, start..end * BLOCK, end * BLOCK, &mut self.rng)?);
        self.sizes.push(size);
        Ok(())
    }
}
