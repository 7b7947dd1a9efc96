//! Clusters and landmarks: trees from the processor, walks down them on the device.

use std::ops::Range;

use crate::attention::{Clock, Head, Inputs, Task};
use crate::clusters::{CERTAIN, Cluster, Index, Tree};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::group::{Builder, VECTOR, vectors};
use crate::gpu::pipelines::Kernel;
use crate::plan::{Plan, SupportPlan};
use crate::simd::LANES;

const SOURCE: &[&str] = &[include_str!("shaders/walk.wgsl")];
const WRITES: &[bool] = &[false, false, false, false, false, false, true, true];

/// Words of a cluster in the shader's `nodes`.
const NODE: usize = 3 * LANES + 2;

/// Most keys in no tree and roots, which a row takes in whatever its budget.
const UNASKED: usize = 2 * LANES + 4;

/// Words of a row's lists for everything that it judges.
const LISTS: u64 = 3;

/// Queries that are enough to keep a device busy: heads whose trees take the processor long do not wait for each other.
const QUERIES: usize = 1 << 12;

/// Bytes of lists, so many that rows beyond them would not run at the same time anyway. In tests so few that there are such rows.
const LIST_BYTES: u64 = if cfg!(test) { 1 << 15 } else { 32 << 20 };

/// Multiply-adds that take as long as a step down a tree does otherwise, for each child judged.
const STEP: u64 = 200;

const WHAT: &str = "clusters on their way to the GPU";

/// What a query may judge, and of what.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    budget: usize,
    to_keys: bool,
    /// Whether only keys count.
    sparse: bool,
}

/// The trees of some heads, as the shader has them.
pub(super) struct Forest {
    walk: Walk,
    pub slices: Range<usize>,
    /// Of each slice, where its tops begin in `tops`.
    starts: Vec<usize>,
    /// The clusters above the roots.
    tops: Vec<u32>,
    nodes: Vec<u32>,
    /// `[clusters, 4 · vectors, 16]`.
    centroids: Vec<f32>,
    /// `[clusters, values]` vectors.
    means: Vec<f32>,
    /// Most children that a row judges, and keys that are in no tree.
    capacity: usize,
}

impl Walk {
    /// `None` where the plan's method is another one.
    pub fn of(plan: &Plan) -> Option<Walk> {
        match (&plan.support, plan.low_rank) {
            (&SupportPlan::Clusters { count }, None) => Some(Walk { budget: count, to_keys: true, sparse: true }),
            _ => plan.cluster_walk().map(|(budget, to_keys)| Walk { budget, to_keys, sparse: false }),
        }
    }
}

impl Forest {
    /// The trees of the first of `slices`, as many as keep the device busy and fit into its buffers.
    pub fn new(
        gpu: &Gpu,
        plan: &Plan,
        walk: Walk,
        inputs: &Inputs<Vec<f32>>,
        slices: Range<usize>,
        clock: &mut Clock,
    ) -> Result<Forest> {
        let mut forest = Forest {
            walk,
            slices: slices.start..slices.start,
            starts: Vec::new(),
            tops: Vec::new(),
            nodes: Vec::new(),
            centroids: Vec::new(),
            means: Vec::new(),
            capacity: walk.budget.max(UNASKED),
        };
        for slice in slices {
            let head = inputs.head(plan, slice)?;
            clock.lap(Task::Prepare);
            let (tree, tops) = Index::of_all_queries(plan.seed, &head)?;
            clock.lap(Task::Search);
            if !forest.slices.is_empty() && forest.bytes_with(&tree, &head) > gpu.buffer_limit() {
                break;
            }
            forest.add(&tree, &tops, &head)?;
            forest.slices.end = slice + 1;
            clock.lap(Task::Prepare);
            if forest.slices.len() * head.queries >= QUERIES {
                break;
            }
        }
        // Of two keys or more there are fewer clusters than keys.
        forest.capacity = forest.capacity.min(2 * plan.shape.keys + UNASKED);
        Ok(forest)
    }

    /// Bytes of the largest buffer, were a tree added.
    fn bytes_with(&self, tree: &Tree, head: &Head) -> u64 {
        let clusters = (self.nodes.len() / NODE + tree.clusters().len()) as u64;
        let vectors = (LANES as u64 * u64::from(vectors(head.dim))).max(u64::from(vectors(head.value_dim)));
        clusters * (vectors * VECTOR).max((NODE * size_of::<u32>()) as u64)
    }

    fn add(&mut self, tree: &Tree, tops: &[u32], head: &Head) -> Result<()> {
        let first = self.nodes.len() / NODE;
        let count = tree.clusters().len();
        self.starts.push(self.tops.len());
        self.tops.extend(tops.iter().map(|top| top + first as u32));
        reserve(&mut self.nodes, count * NODE)?;
        for cluster in tree.clusters() {
            self.add_node(tree, cluster, first as u32);
        }
        let stride = 4 * vectors(head.dim) as usize * LANES;
        reserve(&mut self.centroids, count * stride)?;
        let width = 4 * vectors(head.value_dim) as usize;
        reserve(&mut self.means, count * width)?;
        for cluster in 0..count {
            self.centroids.extend_from_slice(tree.panel(cluster as u32).as_flattened());
            self.centroids.resize((first + cluster + 1) * stride, 0.0);
            self.means.extend((0..head.value_dim).map(|column| tree.values.at(cluster, column)));
            self.means.resize((first + cluster + 1) * width, 0.0);
        }
        if self.walk.sparse {
            // A row that has judged all clusters without keys, and then has room for 16 children more, finds a key.
            let keyless = tree.clusters().iter().filter(|cluster| cluster.keys().is_empty());
            let judged: usize = keyless.map(|cluster| cluster.children().len()).sum();
            self.capacity = self.capacity.max(judged + 2 * LANES);
        }
        Ok(())
    }

    fn add_node(&mut self, tree: &Tree, cluster: &Cluster, first: u32) {
        let keys = cluster.keys().len();
        let stays_closed = |child: u32| !self.walk.to_keys && tree.cluster(child).has_only_keys();
        let mut doubts = cluster.log_doubts;
        for (doubt, _) in doubts[keys..].iter_mut().zip(cluster.clusters()).filter(|(_, child)| stays_closed(**child)) {
            *doubt = CERTAIN;
        }
        self.nodes
            .extend((0..).zip(cluster.lanes).map(|(lane, child)| if lane < keys { child } else { child + first }));
        self.nodes.extend(cluster.log_weights.iter().chain(&doubts).map(|x| x.to_bits()));
        self.nodes.extend([cluster.children().len() as u32, keys as u32]);
    }

    /// Adds the one stage that it takes.
    pub fn encode(mut self, builder: &mut Builder) -> Result<()> {
        let shape = builder.plan.shape;
        let (dim, values) = (u64::from(builder.params.dim), u64::from(builder.params.values));
        for (row, start) in builder.params.table.iter_mut().zip(&self.starts) {
            row[2] = (self.nodes.len() + start) as u32;
        }
        builder.params.extra = [self.walk.budget as u32, self.capacity as u32, 0, 0];
        self.nodes.append(&mut self.tops);
        let means = builder.upload("mean values", &self.means)?;
        let centroids = builder.upload("centroids", &self.centroids)?;
        let nodes = builder.upload("clusters", &self.nodes)?;
        let rows = builder.slices.len() as u64 * shape.queries as u64;
        let bytes = self.capacity as u64 * LISTS * size_of::<u32>() as u64;
        let together = (LIST_BYTES / bytes).clamp(1, rows);
        let lists = builder.storage("what rows judge", together * bytes)?;
        let flags = [builder.plan.causal.then_some("CAUSAL"), self.walk.sparse.then_some("SPARSE")];
        let kernel = Kernel { source: SOURCE, name: "walk", writes: WRITES, flags };
        let (q, k, v, output) = (builder.q.clone(), builder.k.clone(), builder.v.clone(), builder.output.clone());
        let buffers = [&q, &k, &v, &means, &centroids, &nodes, &lists, &output];
        // A cluster is judged in one piece of 16, of which about half are there.
        let judged = self.capacity.min(shape.keys) as f64;
        let cost = judged * (8 * dim + 4 * values + STEP) as f64;
        builder.stage(Task::Tiles, kernel, &buffers, rows, cost)?.together = together as u32;
        Ok(())
    }
}

fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    let bytes = ((list.len() + more) * size_of::<T>()) as u64;
    list.try_reserve(more).map_err(|_| Error::OutOfMemory { what: WHAT, bytes })
}
