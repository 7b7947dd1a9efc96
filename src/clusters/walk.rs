//! A query's way down a tree.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::clusters::tree::{CERTAIN, TOP, Tree};
use crate::simd::{LANES, Lanes, judge, largest_lane, replace_lane};
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
    /// Where its children begin in [`Walk::keys`] and in [`Walk::clusters`].
    pub keys: usize,
    pub clusters: usize,
    /// What opening each child promises to correct, with the lane in the last bits;
    /// [`NOTHING`] or less where there is none to open.
    promises: Lanes,
    /// The largest of them.
    best: f32,
}

/// What a query judged. What was not opened is a partition of the keys. Reused from query to query.
#[derive(Default)]
pub(crate) struct Walk {
    pub opened: Vec<Opened>,
    pub keys: Judged,
    pub clusters: Judged,
    /// Opened clusters with a child to open, the most promising child's first to pop; the low half is a place in `opened`.
    heap: BinaryHeap<u64>,
}

impl Judged {
    pub fn indices(&self) -> &[u32] {
        &self.indices[..self.len]
    }

    /// Logarithm of the mass of the keys of each; -inf where its own children took its place.
    pub fn log_masses(&self) -> &[f32] {
        &self.log_masses[..self.len]
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends the first `count` lanes, in one piece whatever the count.
    fn append(&mut self, indices: &[u32; LANES], log_masses: &Lanes, count: usize) {
        let end = self.len + LANES;
        if self.indices.len() < end {
            self.indices.resize(2 * end, 0);
            self.log_masses.resize(2 * end, 0.0);
        }
        self.indices[self.len..end].copy_from_slice(indices);
        self.log_masses[self.len..end].copy_from_slice(log_masses);
        self.len += count;
    }
}

impl Walk {
    /// Judges at most `budget` children, but the roots in any case. Without `to_keys`, clusters whose
    /// children are all single keys stay closed.
    pub fn descend(&mut self, tree: &Tree, query: &[f32], budget: usize, to_keys: bool) {
        self.opened.clear();
        self.keys.clear();
        self.clusters.clear();
        self.heap.clear();
        self.open(tree, TOP, f32::NEG_INFINITY, query);
        let mut misfits = 0;
        while self.judged() < budget
            && misfits < MISFITS
            && let Some((place, lane)) = self.next()
        {
            let own = tree.cluster(self.opened[place].cluster);
            let child = own.children()[lane];
            let children = tree.cluster(child);
            if !to_keys && children.has_only_keys() {
                continue;
            }
            if self.judged() + children.children().len() <= budget {
                let at = self.opened[place].clusters + lane - own.keys().len();
                let log_mass = std::mem::replace(&mut self.clusters.log_masses[at], f32::NEG_INFINITY);
                self.open(tree, child, log_mass, query);
            } else {
                misfits += 1;
            }
        }
    }

    /// Children judged.
    pub fn judged(&self) -> usize {
        self.keys.len + self.clusters.len
    }

    fn open(&mut self, tree: &Tree, cluster: u32, log_mass: f32, query: &[f32]) {
        let own = tree.cluster(cluster);
        let (log_masses, promises) = judge(query, tree.panel(cluster), &own.log_weights, &own.log_doubts);
        let (keys, clusters) = (self.keys.len, self.clusters.len);
        let singles = own.keys().len();
        if singles > 0 {
            self.keys.append(&own.lanes, &log_masses, singles);
        }
        let mut best = NOTHING;
        if !own.has_only_keys() {
            best = largest_lane(&promises);
            self.heap.push(sortable(f64::from(best), self.opened.len() as u32));
            let count = own.clusters().len();
            if singles == 0 {
                self.clusters.append(&own.lanes, &log_masses, count);
            } else {
                self.clusters.append(&from(&own.lanes, singles), &from(&log_masses, singles), count);
            }
        }
        self.opened.push(Opened { cluster, log_mass, keys, clusters, promises, best });
    }

    /// Takes the child that promises most: a place in `opened`, and a lane.
    fn next(&mut self) -> Option<(usize, usize)> {
        let mut top = self.heap.peek_mut()?;
        let place = *top as u32;
        let opened = &mut self.opened[place as usize];
        let lane = opened.best.to_bits() as usize % LANES;
        opened.best = replace_lane(&mut opened.promises, opened.best, NOTHING);
        if opened.best > NOTHING {
            *top = sortable(f64::from(opened.best), place);
        } else {
            PeekMut::pop(top);
        }
        Some((place as usize, lane))
    }
}

/// The lanes from `first` on.
fn from<T: Copy + Default>(lanes: &[T; LANES], first: usize) -> [T; LANES] {
    let mut twice = [T::default(); 2 * LANES];
    twice[..LANES].copy_from_slice(lanes);
    let mut rest = [T::default(); LANES];
    rest.copy_from_slice(&twice[first..first + LANES]);
    rest
}
