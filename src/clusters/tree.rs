//! The tree as a query sees it; [`build`](super::build) makes it.

use crate::clusters::kmeans::SAMPLE;
use crate::clusters::walk::Opened;
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::plan::Plan;
use crate::shape::Shape;
use crate::simd::{LANES, Lanes, Panels};

pub(super) const WHAT: &str = "the cluster tree";

/// The logarithm of no doubt at all: finite, and so that added to any logit it stays finite.
pub(crate) const CERTAIN: f32 = f32::MIN / 2.0;

/// The cluster above the roots.
pub(super) const TOP: u32 = 0;

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
    /// Whether these stay as they are, for queries that come late.
    #[cfg(feature = "webgpu")]
    keeps_all: bool,
}

/// Two keys or more. What belongs to a child is kept with its parent, lane by lane; single keys come first.
#[cfg_attr(feature = "webgpu", derive(Clone))]
pub(crate) struct Cluster {
    /// Keys in it, at any depth.
    pub len: u32,
    count: u32,
    keys: u32,
    /// Children: single keys, then clusters, then nothing.
    pub lanes: [u32; LANES],
    /// Logarithm of a child's mass less the logit of its centroid.
    pub log_weights: Lanes,
    /// Logarithm of the share of a child's mass that opening it may correct; [`CERTAIN`] of a key.
    pub log_doubts: Lanes,
}

impl Cluster {
    /// Single keys, then clusters.
    pub fn children(&self) -> &[u32] {
        &self.lanes[..self.count as usize]
    }

    pub fn keys(&self) -> &[u32] {
        &self.lanes[..self.keys as usize]
    }

    pub fn clusters(&self) -> &[u32] {
        &self.children()[self.keys as usize..]
    }

    pub fn has_only_keys(&self) -> bool {
        self.keys == self.count
    }
}

impl Tree {
    /// Without a key, but with room for so many.
    pub(super) fn new(dim: usize, value_dim: usize, keys: usize) -> Result<Tree> {
        let room = room(keys);
        let values = Panels::zeros(WHAT, room, value_dim)?;
        let mut tree = Tree {
            dim,
            clusters: Vec::new(),
            centroids: Vec::new(),
            values,
            free: Vec::new(),
            #[cfg(feature = "webgpu")]
            keeps_all: false,
        };
        reserve(&mut tree.clusters, room)?;
        reserve(&mut tree.centroids, room * dim)?;
        tree.add_cluster(0)?;
        Ok(tree)
    }

    /// Scratch bytes of the tree of a plan and of walks down it, if clusters have seven children or more on average:
    /// `tests/memory.rs` holds it against what is taken. k-means guarantees nothing.
    pub fn bytes(plan: &Plan) -> u64 {
        let Shape { keys, dim, value_dim, .. } = plan.shape;
        let clusters = room(keys);
        let tree = clusters * (size_of::<Cluster>() + dim * size_of::<Lanes>());
        // The points, their order, labels and a copy of the order, and of some of them the columns of k-means.
        let points = keys * (dim * size_of::<f32>() + 2 * size_of::<u32>() + 1);
        let sample = keys.min(LANES * SAMPLE).next_multiple_of(LANES) * (dim * size_of::<f32>() + size_of::<u32>());
        // Lists that grow by doubling: what is too small is there until it is copied.
        let lists = 3 * (keys + clusters + 4 * LANES) * (size_of::<u32>() + size_of::<f32>());
        let walk = lists + 3 * (clusters + 4) * (size_of::<Opened>() + size_of::<u64>());
        let moments = 4 * dim * dim * size_of::<f64>() + 2 * Moments::block_bytes(dim);
        let mut build = (points + sample) as u64;
        if plan.cluster_walk().is_some() && !plan.causal {
            // The values of the head, which are counted with it, come later.
            build = build.saturating_sub(Panels::bytes(keys, value_dim));
        }
        (tree + walk + moments) as u64 + build + Panels::bytes(clusters, value_dim)
    }

    pub fn cluster(&self, cluster: u32) -> &Cluster {
        &self.clusters[cluster as usize]
    }

    /// The centroids of a cluster's children, `[dim, 16]`.
    pub fn panel(&self, cluster: u32) -> &[Lanes] {
        &self.centroids[cluster as usize * self.dim..][..self.dim]
    }

    /// Calls `receive` with every key of a cluster.
    pub fn for_each_key(&self, cluster: u32, receive: &mut impl FnMut(u32)) {
        let own = self.cluster(cluster);
        own.keys().iter().for_each(|&key| receive(key));
        own.clusters().iter().for_each(|&child| self.for_each_key(child, receive));
    }

    /// Adds a cluster of `len` keys that has neither children nor a parent yet.
    pub(super) fn add_cluster(&mut self, len: u32) -> Result<u32> {
        let added = Cluster {
            len,
            count: 0,
            keys: 0,
            lanes: [0; LANES],
            log_weights: [0.0; LANES],
            log_doubts: [CERTAIN; LANES],
        };
        if let Some(index) = self.free.pop() {
            self.clusters[index as usize] = added;
            return Ok(index);
        }
        let index = self.clusters.len();
        if self.values.rows() <= index {
            // More room than the keys seemed to need: a little, for what is too small is there until it is copied.
            let more = index / 8 + 1;
            reserve(&mut self.clusters, more)?;
            reserve(&mut self.centroids, more * self.dim)?;
            self.values.grow(WHAT, index + more)?;
        }
        self.clusters.push(added);
        self.centroids.resize((index + 1) * self.dim, [0.0; LANES]);
        Ok(index as u32)
    }

    /// Adds a single key to a cluster with room for it that has no clusters for children yet.
    pub(super) fn add_key(&mut self, parent: u32, key: u32, centroid: &[f32]) {
        self.add_child(parent, key, centroid);
        self.clusters[parent as usize].keys += 1;
    }

    /// Adds a child that is a cluster. `half_variance` is half that of the logits of its keys.
    pub(super) fn add_child_cluster(&mut self, parent: u32, child: u32, centroid: &[f32], half_variance: f64) {
        let lane = self.add_child(parent, child, centroid);
        let len = self.cluster(child).len;
        let own = &mut self.clusters[parent as usize];
        // The mean of exp over the cluster is exp of the mean logit times 1 + variance / 2, to second order. Not
        // exp(variance / 2), which it is for Gaussian logits: a few far keys would make that absurd.
        own.log_weights[lane] = (f64::from(len).ln() + half_variance.ln_1p()) as f32;
        // Half would be the spread of the logits; a little more of it opens wide clusters sooner, which was measured to do
        // better on flat heads and as well on sharp ones.
        own.log_doubts[lane] = (0.65 * half_variance.max(f64::MIN_POSITIVE).ln()) as f32;
    }

    fn add_child(&mut self, parent: u32, child: u32, centroid: &[f32]) -> usize {
        let own = &mut self.clusters[parent as usize];
        let lane = own.count as usize;
        own.count += 1;
        own.lanes[lane] = child;
        let panel = &mut self.centroids[parent as usize * self.dim..][..self.dim];
        panel.iter_mut().zip(centroid).for_each(|(row, &x)| row[lane] = x);
        lane
    }

    /// Gives the clusters of the root added last the means of their keys' values, which are the rows of `keys`.
    pub(super) fn set_values_of_last_root(&mut self, keys: &Panels) {
        if let Some(&root) = self.cluster(TOP).clusters().last() {
            self.set_values(root, keys);
        }
    }

    fn set_values(&mut self, cluster: u32, keys: &Panels) {
        for place in 0..self.cluster(cluster).clusters().len() {
            self.set_values(self.cluster(cluster).clusters()[place], keys);
        }
        let own = &self.clusters[cluster as usize];
        for p in 0..keys.count() {
            let mut sums = [0.0f64; LANES];
            for (lane, &child) in own.children().iter().enumerate() {
                let (len, value) = match lane < own.keys().len() {
                    true => (1, &keys.panel(p)[child as usize]),
                    false => (self.clusters[child as usize].len, &self.values.panel(p)[child as usize]),
                };
                sums.iter_mut().zip(value).for_each(|(sum, &x)| *sum += f64::from(len) * f64::from(x));
            }
            self.values.panel_mut(p)[cluster as usize] = sums.map(|sum| (sum / f64::from(own.len)) as f32);
        }
    }

    /// Takes the roots from the `first` on, and all below them, out of the tree.
    pub(super) fn remove_roots(&mut self, first: usize) {
        let top = &mut self.clusters[TOP as usize];
        // A root is a cluster, but for a single key of the first block.
        let first_cluster = first.max(top.keys as usize);
        let mut open = top.children()[first_cluster..].to_vec();
        top.count = first as u32;
        top.keys = top.keys.min(top.count);
        top.log_doubts[first..].fill(CERTAIN);
        while let Some(cluster) = open.pop() {
            let own = self.cluster(cluster);
            open.extend_from_slice(own.clusters());
            #[cfg(feature = "webgpu")]
            if self.keeps_all {
                continue;
            }
            self.free.push(cluster);
        }
    }
}

#[cfg(feature = "webgpu")]
impl Tree {
    /// From now on what is taken out of the tree stays as it is, and so do references to it.
    pub(super) fn keep_all(&mut self) {
        self.keeps_all = true;
    }

    /// A copy of the cluster above the roots, which keeps the ones that there are now.
    pub(super) fn copy_top(&mut self) -> Result<u32> {
        let copy = self.add_cluster(0)?;
        self.clusters[copy as usize] = self.clusters[TOP as usize].clone();
        let top = TOP as usize * self.dim..(TOP as usize + 1) * self.dim;
        self.centroids.copy_within(top, copy as usize * self.dim);
        Ok(copy)
    }

    /// All clusters, also those that were taken out.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }
}

/// Clusters to make room for, of so many keys.
fn room(keys: usize) -> usize {
    keys / 7 + 8
}

fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    let bytes = (list.len() + more) as u64 * size_of::<T>() as u64;
    list.try_reserve_exact(more).map_err(|_| Error::OutOfMemory { what: WHAT, bytes })
}
