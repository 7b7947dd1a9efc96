//! A query's way down some trees.

use std::collections::BinaryHeap;

use crate::clusters::tree::{KEY, Tree};
use crate::simd::row_product;
use crate::support::sortable;

/// A node that a query judged.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub tree: u32,
    pub node: u32,
    /// Logarithm of the mass of its keys together.
    pub log_mass: f32,
    /// Whether its children took its place.
    pub opened: bool,
}

/// The nodes that a query judged. Those not opened are a partition of the keys. Reused from query to query.
#[derive(Default)]
pub(crate) struct Walk {
    pub judged: Vec<Judged>,
    /// Nodes that can be opened, most promising last to sort and first to pop; the low half is a place in `judged`.
    heap: BinaryHeap<u64>,
}

impl Walk {
    /// Judges at most `budget` nodes, but the root of each tree in any case. Without `to_keys`, clusters whose
    /// children are all single keys stay closed.
    pub fn descend(&mut self, trees: &[Tree], query: &[f32], budget: usize, to_keys: bool) {
        self.judged.clear();
        self.heap.clear();
        for (t, tree) in (0u32..).zip(trees) {
            self.judge(t, tree, 0, query);
        }
        while let Some(best) = self.heap.pop() {
            let at = best as u32 as usize;
            let Judged { tree: t, node, .. } = self.judged[at];
            let tree = &trees[t as usize];
            let group = tree.node(node).group;
            if !to_keys && tree.node(node).len == tree.group(group).count {
                continue;
            }
            if self.judged.len() + tree.group(group).count as usize <= budget {
                self.judged[at].opened = true;
                self.judge(t, tree, group, query);
            }
        }
    }

    /// The nodes that lie open.
    pub fn frontier(&self) -> impl Iterator<Item = &Judged> {
        self.judged.iter().filter(|judged| !judged.opened)
    }

    fn judge(&mut self, t: u32, tree: &Tree, group: u32, query: &[f32]) {
        let logits = row_product(query, tree.panel(group));
        let children = tree.group(group);
        for (node, logit) in (children.first..children.first + children.count).zip(logits) {
            let own = tree.node(node);
            let log_mass = logit + own.log_weight;
            if own.group != KEY {
                self.heap.push(sortable(f64::from(log_mass + own.log_doubt), self.judged.len() as u32));
            }
            self.judged.push(Judged { tree: t, node, log_mass, opened: false });
        }
    }
}
