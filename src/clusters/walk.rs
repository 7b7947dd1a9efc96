//! A query's way down a tree.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::clusters::tree::{CERTAIN, TOP, Tree};
use crate::simd::{LANES, Lanes, copy_lanes, judge, replace_lane};
use crate::support::sortable;

/// Clusters promising most that may be passed over because they do not fit into what is left of a budget. What
/// there is to gain from looking further is not worth the time.
const MISFITS: usize = 2;

/// Less than any cluster promises, and more than any key: logits are within 10³⁸ of 0.
const NOTHING: f32 = CERTAIN / 2.0;

/// Single keys, or clusters, that a query judged.
#[derive(Default)]
pub(crate) struct Judged {
    len: usize,
    /// Of these two `len` count, and there is room for 16 more.
    indices: Vec<u32>,
    log_masses: Vec<f32>,
}

/// A cluster whose children took its place.
pub(crate) struct Opened {
    pub cluster: u32,
    /// As it was judged; -inf of [`TOP`], which is not.
    pub log_mass: f32,
    /// Where its children begin in [`Walk::keys`] and, lane by lane, in [`Walk::clusters`].
    pub keys: u32,
    pub clusters: u32,
    /// The most that opening a child promises to correct, with its lane in the last bits; [`NOTHING`] or less where there is
    /// none to open.
    best: f32,
}

/// What a query judged. What was not opened is a partition of the keys. Reused from query to query.
#[derive(Default)]
pub(crate) struct Walk {
    pub opened: Vec<Opened>,
    pub keys: Judged,
    pub clusters: Judged,
    judged: usize,
    /// Of the children of what was opened, and of more.
    promises: Vec<Lanes>,
    /// Opened clusters with a child to open, the most promising child's first to pop; the low half is a place in `opened`.
    heap: BinaryHeap<u64>,
}

impl Judged {
    /// Of keys, or of clusters with some that weigh nothing.
    pub fn indices(&self) -> &[u32] {
        &self.indices[..self.len]
    }

    /// Logarithm of the mass of the keys of each; -inf of clusters whose children took their place.
    pub fn log_masses(&self) -> &[f32] {
        &self.log_masses[..self.len]
    }

    /// Makes room for 16 more.
    fn reserve(&mut self) {
        let end = self.len + LANES;
        if self.indices.len() < end {
            self.indices.resize(2 * end, 0);
            self.log_masses.resize(2 * end, 0.0);
        }
    }

    fn push(&mut self, index: u32, log_mass: f32) {
        self.reserve();
        self.indices[self.len] = index;
        self.log_masses[self.len] = log_mass;
        self.len += 1;
    }
}

impl Walk {
    /// Judges at most `budget` children, but the roots in any case. Without `to_keys`, clusters whose
    /// children are all single keys stay closed.
    pub fn descend(&mut self, tree: &Tree, query: &[f32], budget: usize, to_keys: bool) {
        self.opened.clear();
        self.keys.len = 0;
        self.clusters.len = 0;
        self.judged = 0;
        self.heap.clear();
        self.open(tree, TOP, f32::NEG_INFINITY, query);
        let mut misfits = 0;
        while self.judged < budget
            && misfits < MISFITS
            && let Some((place, lane)) = self.next()
        {
            let own = tree.cluster(self.opened[place].cluster);
            let child = own.children()[lane];
            let children = tree.cluster(child);
            if !to_keys && children.has_only_keys() {
                continue;
            }
            if self.judged + children.children().len() <= budget {
                let at = self.opened[place].clusters as usize + lane;
                let log_mass = std::mem::replace(&mut self.clusters.log_masses[at], f32::NEG_INFINITY);
                self.open(tree, child, log_mass, query);
            } else {
                misfits += 1;
            }
        }
    }

    /// Children judged.
    pub fn judged(&self) -> usize {
        self.judged
    }

    /// Judges the children of a cluster, all 16 lanes in one piece. (Lanes are written where they stay: to copy so few
    /// bytes takes a WebAssembly engine longer than to compute them.)
    fn open(&mut self, tree: &Tree, cluster: u32, log_mass: f32, query: &[f32]) {
        let own = tree.cluster(cluster);
        let place = self.opened.len();
        let (keys, clusters) = (self.keys.len as u32, self.clusters.len as u32);
        if self.promises.len() == place {
            self.promises.resize(2 * place + 1, [0.0; LANES]);
        }
        let only_keys = own.has_only_keys();
        let list = if only_keys { &mut self.keys } else { &mut self.clusters };
        list.reserve();
        let best = judge(
            query,
            tree.panel(cluster),
            [&own.log_weights, &own.log_doubts],
            &mut list.log_masses[list.len..],
            &mut self.promises[place],
        );
        copy_lanes(&own.lanes, &mut list.indices[list.len..]);
        if only_keys {
            list.len += own.keys().len();
        } else {
            for (lane, &key) in own.keys().iter().enumerate() {
                let at = clusters as usize + lane;
                self.keys.push(key, std::mem::replace(&mut self.clusters.log_masses[at], f32::NEG_INFINITY));
                self.clusters.indices[at] = 0;
            }
            self.clusters.len += own.children().len();
            self.heap.push(sortable(f64::from(best), place as u32));
        }
        self.judged += own.children().len();
        self.opened.push(Opened { cluster, log_mass, keys, clusters, best });
    }

    /// Takes the child that promises most: a place in `opened`, and a lane.
    fn next(&mut self) -> Option<(usize, usize)> {
        let mut top = self.heap.peek_mut()?;
        let place = *top as u32;
        let opened = &mut self.opened[place as usize];
        let lane = opened.best.to_bits() as usize % LANES;
        opened.best = replace_lane(&mut self.promises[place as usize], opened.best, NOTHING);
        if opened.best > NOTHING {
            *top = sortable(f64::from(opened.best), place);
        } else {
            PeekMut::pop(top);
        }
        Some((place as usize, lane))
    }
}
