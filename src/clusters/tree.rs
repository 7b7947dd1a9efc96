//! The tree as a query sees it; [`build`](super::build) makes it.

use crate::clusters::walk::Judged;
use crate::error::{Error, Result};
use crate::simd::{LANES, Lanes, Panels};

pub(super) const WHAT: &str = "the cluster tree";

/// The cluster above the roots.
pub(super) const TOP: u32 = 0;

/// What a cluster consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Child {
    Key(u32),
    Cluster(u32),
}

/// Clusters of keys. The first one, [`TOP`], has the roots for children, so that they are judged as everything is.
pub(crate) struct Tree {
    dim: usize,
    clusters: Vec<Cluster>,
    /// Centroids of each cluster's children, `[clusters, dim, 16]`.
    centroids: Vec<Lanes>,
    /// Mean value of each cluster; rows beyond the last one are room to grow.
    pub values: Panels,
    /// Clusters that are no longer in the tree.
    free: Vec<u32>,
}

/// Two keys or more. What belongs to a child is kept with its parent, lane by lane.
pub(crate) struct Cluster {
    /// Keys in it, at any depth.
    pub len: u32,
    count: u32,
    children: [Child; LANES],
    /// Logarithm of a child's mass less the logit of its centroid.
    pub log_weights: Lanes,
    /// Logarithm of the share of a child's mass that opening it may correct.
    pub log_doubts: Lanes,
}

impl Cluster {
    pub fn children(&self) -> &[Child] {
        &self.children[..self.count as usize]
    }

    pub fn has_only_keys(&self) -> bool {
        self.len == self.count
    }
}

impl Tree {
    /// Without a key, but with room for so many.
    pub(super) fn new(dim: usize, value_dim: usize, keys: usize) -> Result<Tree> {
        let room = room(keys);
        let values = Panels::zeros(WHAT, room, value_dim)?;
        let mut tree = Tree { dim, clusters: Vec::new(), centroids: Vec::new(), values, free: Vec::new() };
        reserve(&mut tree.clusters, room)?;
        reserve(&mut tree.centroids, room * dim)?;
        tree.add_cluster(0)?;
        Ok(tree)
    }

    /// Scratch bytes of the tree over `keys` keys and of walks down it, if clusters have six children or more on average:
    /// `tests/memory.rs` holds it against what is taken. k-means guarantees nothing.
    pub fn bytes(keys: usize, dim: usize, value_dim: usize) -> u64 {
        let clusters = room(keys);
        let points = keys * (dim * size_of::<f32>() + 2 * size_of::<u32>());
        let walk = (keys + clusters) * (size_of::<Judged>() + size_of::<u64>() + 3 * size_of::<f32>());
        let lists = clusters * (size_of::<Cluster>() + dim * size_of::<Lanes>()) + points + walk;
        (lists + 3 * dim * dim * size_of::<f64>()) as u64 + Panels::bytes(clusters, value_dim)
    }

    pub fn cluster(&self, cluster: u32) -> &Cluster {
        &self.clusters[cluster as usize]
    }

    /// The centroids of a cluster's children, `[dim, 16]`.
    pub fn panel(&self, cluster: u32) -> &[Lanes] {
        &self.centroids[cluster as usize * self.dim..][..self.dim]
    }

    /// Calls `receive` with every key of `child`.
    pub fn for_each_key(&self, child: Child, receive: &mut impl FnMut(u32)) {
        match child {
            Child::Key(key) => receive(key),
            Child::Cluster(cluster) => {
                self.cluster(cluster).children().iter().for_each(|&child| self.for_each_key(child, receive));
            }
        }
    }

    /// Adds a cluster of `len` keys that has neither children nor a parent yet.
    pub(super) fn add_cluster(&mut self, len: u32) -> Result<u32> {
        let added = Cluster {
            len,
            count: 0,
            children: [Child::Key(0); LANES],
            log_weights: [0.0; LANES],
            log_doubts: [0.0; LANES],
        };
        if let Some(index) = self.free.pop() {
            self.clusters[index as usize] = added;
            return Ok(index);
        }
        let index = self.clusters.len();
        reserve(&mut self.clusters, 1)?;
        reserve(&mut self.centroids, self.dim)?;
        if self.values.rows() <= index {
            self.values.grow(WHAT, index + index / 2 + 1)?;
        }
        self.clusters.push(added);
        self.centroids.resize((index + 1) * self.dim, [0.0; LANES]);
        Ok(index as u32)
    }

    /// Adds a child to a cluster with room for it. `half_variance` is half that of the logits of the child's keys.
    pub(super) fn add_child(&mut self, parent: u32, child: Child, centroid: &[f32], half_variance: f64) {
        let len = match child {
            Child::Key(_) => 1,
            Child::Cluster(cluster) => self.cluster(cluster).len,
        };
        let own = &mut self.clusters[parent as usize];
        let lane = own.count as usize;
        own.count += 1;
        own.children[lane] = child;
        // The mean of exp over the cluster is exp of the mean logit times 1 + variance / 2, to second order. Not
        // exp(variance / 2), which it is for Gaussian logits: a few far keys would make that absurd.
        own.log_weights[lane] = (f64::from(len).ln() + half_variance.ln_1p()) as f32;
        own.log_doubts[lane] = (0.5 * half_variance.max(f64::MIN_POSITIVE).ln()) as f32;
        let panel = &mut self.centroids[parent as usize * self.dim..][..self.dim];
        panel.iter_mut().zip(centroid).for_each(|(row, &x)| row[lane] = x);
    }

    /// Takes the roots from the `first` on, and all below them, out of the tree.
    pub(super) fn remove_roots(&mut self, first: usize) {
        let top = &mut self.clusters[TOP as usize];
        let mut open = top.children()[first..].to_vec();
        top.count = first as u32;
        while let Some(child) = open.pop() {
            if let Child::Cluster(cluster) = child {
                open.extend_from_slice(self.cluster(cluster).children());
                self.free.push(cluster);
            }
        }
    }
}

/// Clusters to make room for, of so many keys.
fn room(keys: usize) -> usize {
    keys / 6 + 8
}

fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    let bytes = (list.len() + more) as u64 * size_of::<T>() as u64;
    list.try_reserve(more).map_err(|_| Error::OutOfMemory { what: WHAT, bytes })
}
