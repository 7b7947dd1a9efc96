//! A query's way down a tree.

use std::collections::BinaryHeap;

use crate::clusters::tree::{Child, Tree};
use crate::simd::row_product;
use crate::support::sortable;

/// A child that a query judged.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub child: Child,
    /// Logarithm of the mass of its keys together.
    pub log_mass: f32,
    /// Whether its own children took its place.
    pub opened: bool,
    /// The place of its parent among the judged; those of roots are their own.
    pub parent: u32,
}

/// What a query judged. What was not opened is a partition of the keys. Reused from query to query.
#[derive(Default)]
pub(crate) struct Walk {
    pub judged: Vec<Judged>,
    /// Clusters that can be opened, most promising last to sort and first to pop; the low half is a place in `judged`.
    heap: BinaryHeap<u64>,
}

impl Walk {
    /// Judges at most `budget` children, but the roots in any case. Without `to_keys`, clusters whose
    /// children are all single keys stay closed.
    pub fn descend(&mut self, tree: &Tree, query: &[f32], budget: usize, to_keys: bool) {
        self.judged.clear();
        self.heap.clear();
        self.judge(tree, 0, 0, query);
        while self.judged.len() < budget
            && let Some(best) = self.heap.pop()
        {
            let place = best as u32;
            let Child::Cluster(cluster) = self.judged[place as usize].child else { continue };
            let own = tree.cluster(cluster);
            if !to_keys && own.has_only_keys() {
                continue;
            }
            if self.judged.len() + own.children().len() <= budget {
                self.judged[place as usize].opened = true;
                self.judge(tree, cluster, place, query);
            }
        }
    }

    /// What lies open.
    pub fn frontier(&self) -> impl Iterator<Item = &Judged> {
        self.judged.iter().filter(|judged| !judged.opened)
    }

    fn judge(&mut self, tree: &Tree, cluster: u32, parent: u32, query: &[f32]) {
        let logits = row_product(query, tree.panel(cluster));
        let cluster = tree.cluster(cluster);
        for (lane, &child) in cluster.children().iter().enumerate() {
            let log_mass = logits[lane] + cluster.log_weights[lane];
            if let Child::Cluster(_) = child {
                self.heap.push(sortable(f64::from(log_mass + cluster.log_doubts[lane]), self.judged.len() as u32));
            }
            self.judged.push(Judged { child, log_mass, opened: false, parent });
        }
    }
}
