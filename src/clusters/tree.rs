//! The tree: recursive k-means, 16 ways a level, down to single keys.

use std::ops::Range;

use chacha20::ChaCha8Rng;

use crate::attention::Head;
use crate::clusters::kmeans::kmeans;
use crate::clusters::metric::Metric;
use crate::error::Result;
use crate::memory;
use crate::simd::{LANES, Lanes, Panels, gather_columns};

/// A node without children: a single key.
pub(crate) const KEY: u32 = u32::MAX;

/// Below this depth k-means has failed to divide (many equal keys), and halves take its place.
const DEEPEST: usize = 12;

/// Clusters of a stretch of keys. Node 0, alone in group 0, is the root; siblings are
/// neighbours.
pub(crate) struct Tree {
    dim: usize,
    nodes: Vec<Node>,
    groups: Vec<Group>,
    /// Centroids of the children of each group, `[groups, dim, 16]`.
    centroids: Vec<Lanes>,
    /// Mean value of each node.
    pub values: Panels,
    /// Keys in the order of the tree: every node has a stretch of them.
    pub order: Vec<u32>,
}

/// A cluster of keys, or a single one.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    /// The group of its children, or [`KEY`].
    pub group: u32,
    /// Its stretch of the order.
    pub start: u32,
    pub len: u32,
    pub parent: u32,
    /// Logarithm of its mass less the logit of its centroid.
    pub log_weight: f32,
    /// Logarithm of the share of its mass that opening it may correct.
    pub log_doubt: f32,
}

/// The children of one node.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    /// Its first node.
    pub first: u32,
    pub count: u32,
}

/// Work still to do: children to make for a node.
struct Open {
    node: u32,
    start: usize,
    len: usize,
    depth: usize,
}

impl Tree {
    /// Clusters the keys in `range` by the metric of the first `queries` queries. O(keys · log keys · dim).
    pub fn new(head: &Head, range: Range<usize>, queries: usize, rng: &mut ChaCha8Rng) -> Result<Tree> {
        let dim = head.dim;
        let metric = Metric::new(&head.q[..head.queries.min(queries) * dim], dim)?;
        let mut points = memory::filled("the cluster tree", range.len() * dim, 0.0f32)?;
        metric.transform(&head.k[range.start * dim..range.end * dim], &mut points);
        let mut order = memory::with_capacity("the cluster tree", range.len())?;
        order.extend(0..range.len() as u32);
        let mut tree = Tree {
            dim,
            nodes: Vec::new(),
            groups: Vec::new(),
            centroids: Vec::new(),
            values: Panels::default(),
            order,
        };
        let mut open = Vec::new();
        tree.add_group(KEY, 0, &[range.len()], &points, 0, &mut open);
        while let Some(work) = open.pop() {
            tree.divide(&points, &work, &mut open, rng);
        }
        drop(points);
        tree.order.iter_mut().for_each(|key| *key += range.start as u32);
        tree.fill(&head.k, &head.v)?;
        Ok(tree)
    }

    /// Scratch bytes of the trees of `keys` keys, if groups have six children or more on average: `tests/memory.rs` holds
    /// it against what is taken. k-means guarantees nothing.
    pub fn bytes(keys: usize, dim: usize, value_dim: usize) -> u64 {
        let groups = keys / 6 + 8;
        let nodes = keys + groups;
        let lists = keys * size_of::<u32>() * 2 + 2 * (nodes * size_of::<Node>() + groups * size_of::<Group>());
        let centroids = (nodes * dim * size_of::<f32>()) + groups * dim * size_of::<Lanes>();
        (lists + centroids + dim * dim * size_of::<f64>()) as u64 + Panels::bytes(nodes, value_dim)
    }

    pub fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    pub fn group(&self, group: u32) -> Group {
        self.groups[group as usize]
    }

    /// The children's centroids, `[dim, 16]`.
    pub fn panel(&self, group: u32) -> &[Lanes] {
        &self.centroids[group as usize * self.dim..(group as usize + 1) * self.dim]
    }

    /// The keys of a node.
    pub fn keys(&self, node: u32) -> &[u32] {
        let Node { start, len, .. } = self.nodes[node as usize];
        &self.order[start as usize..(start + len) as usize]
    }

    /// Makes the children of a node: sorts its stretch of the order by cluster.
    fn divide(&mut self, points: &[f32], work: &Open, open: &mut Vec<Open>, rng: &mut ChaCha8Rng) {
        let Open { node, start, len, depth } = *work;
        let sizes = if len <= LANES { vec![1; len] } else { self.cluster(points, start, len, depth, rng) };
        self.nodes[node as usize].group = self.groups.len() as u32;
        self.add_group(node, start, &sizes, points, depth + 1, open);
    }

    /// Adds nodes of these sizes, one after the other from `start`, as a group.
    fn add_group(
        &mut self,
        parent: u32,
        mut start: usize,
        sizes: &[usize],
        points: &[f32],
        depth: usize,
        open: &mut Vec<Open>,
    ) {
        self.groups.push(Group { first: self.nodes.len() as u32, count: sizes.len() as u32 });
        for &len in sizes {
            // The mean of exp over the cluster is exp of the mean logit times 1 + variance / 2, to second order. Not
            // exp(variance / 2), which it is for Gaussian logits: a few far keys would make that absurd.
            let half_variance = self.half_variance(points, start, len);
            let node = self.nodes.len() as u32;
            self.nodes.push(Node {
                group: KEY,
                start: start as u32,
                len: len as u32,
                parent,
                log_weight: ((len as f64).ln() + half_variance.ln_1p()) as f32,
                log_doubt: (0.5 * half_variance.max(f64::MIN_POSITIVE).ln()) as f32,
            });
            if len > 1 {
                open.push(Open { node, start, len, depth });
            }
            start += len;
        }
    }

    /// Sizes of the clusters that a stretch was sorted into, at least two.
    fn cluster(&mut self, points: &[f32], start: usize, len: usize, depth: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let stretch = &mut self.order[start..start + len];
        let clusters = len.div_ceil(LANES).clamp(2, LANES);
        if depth < DEEPEST {
            let labels = kmeans(points, stretch, self.dim, clusters, rng);
            let mut sizes = vec![0; clusters];
            labels.iter().for_each(|&label| sizes[label as usize] += 1);
            if sizes.iter().filter(|&&size| size > 0).count() > 1 {
                let mut next = vec![0; clusters];
                (1..clusters).for_each(|c| next[c] = next[c - 1] + sizes[c - 1]);
                let unsorted = stretch.to_vec();
                for (&key, &label) in unsorted.iter().zip(&labels) {
                    stretch[next[label as usize]] = key;
                    next[label as usize] += 1;
                }
                sizes.retain(|&size| size > 0);
                return sizes;
            }
        }
        (0..clusters).map(|c| (c + 1) * len / clusters - c * len / clusters).collect()
    }

    /// Half the variance of the logits of a stretch of keys, averaged over queries.
    fn half_variance(&self, points: &[f32], start: usize, len: usize) -> f64 {
        if len == 1 {
            return 0.0;
        }
        let (mut sums, mut squares) = (vec![0.0f64; self.dim], 0.0);
        for &key in &self.order[start..start + len] {
            for (sum, &x) in sums.iter_mut().zip(&points[key as usize * self.dim..]) {
                *sum += f64::from(x);
                squares += f64::from(x).powi(2);
            }
        }
        let len = len as f64;
        let of_mean: f64 = sums.iter().map(|sum| (sum / len).powi(2)).sum();
        (squares / len - of_mean).max(0.0) / 2.0
    }

    /// Centroids and mean values.
    fn fill(&mut self, keys: &[f32], values: &Panels) -> Result<()> {
        self.values = Panels::zeros("the cluster tree", self.nodes.len(), values.cols())?;
        let mut centroids = memory::filled("the cluster tree", self.nodes.len() * self.dim, 0.0f32)?;
        let mut sums = vec![0.0f64; self.dim];
        let width = values.count() * LANES;
        let mut value_sums = vec![0.0f64; width];
        for n in 0..self.nodes.len() {
            let node = self.nodes[n];
            sums.fill(0.0);
            value_sums.fill(0.0);
            for &key in self.keys(n as u32) {
                let key = key as usize;
                sums.iter_mut().zip(&keys[key * self.dim..]).for_each(|(sum, &x)| *sum += f64::from(x));
                for (p, sums) in value_sums.chunks_exact_mut(LANES).enumerate() {
                    sums.iter_mut().zip(&values.panel(p)[key]).for_each(|(sum, &x)| *sum += f64::from(x));
                }
            }
            let scale = 1.0 / f64::from(node.len);
            let centroid = &mut centroids[n * self.dim..(n + 1) * self.dim];
            centroid.iter_mut().zip(&sums).for_each(|(out, sum)| *out = (sum * scale) as f32);
            for (p, sums) in value_sums.chunks_exact(LANES).enumerate() {
                self.values.panel_mut(p)[n].iter_mut().zip(sums).for_each(|(out, sum)| *out = (sum * scale) as f32);
            }
        }
        self.centroids = memory::filled("the cluster tree", self.groups.len() * self.dim, [0.0; LANES])?;
        for (group, panel) in self.groups.iter().zip(self.centroids.chunks_exact_mut(self.dim)) {
            let nodes: Vec<u32> = (group.first..group.first + group.count).collect();
            gather_columns(&centroids, &nodes, panel);
        }
        Ok(())
    }
}
