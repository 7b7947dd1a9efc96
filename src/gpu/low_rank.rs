//! The low-rank part: features, states that sum keys in units of each feature's largest so far, and what rows read from them.
//!
//! All of it is done for causal heads, too, with running maxima over chunks of keys: what a row takes no longer depends on a later
//! key, not even in how it rounds. What a row does not find in a state, it adds key by key.

use crate::attention::{Head, Task};
use crate::error::{Error, Result};
use crate::features::{Affine, Exponentials, FeatureMap};
use crate::gpu::exact::STREAM;
use crate::gpu::group::{Builder, VECTOR, vectors};
use crate::gpu::pipelines::{Kernel, NO_FLAGS};
use crate::memory;
use crate::plan::{FeaturePlan, Plan, SupportPlan};

/// Keys of a state. Fewer leave causal rows less to add key by key, and take more memory.
const CHUNK: u32 = 256;
const CAUSAL_CHUNK: u32 = 64;

/// As in the shaders: rows and vectors of columns of a tile, and threads of a workgroup that are not about one.
const ROWS: u64 = 64;
const COLUMNS: u64 = 16;
const THREADS: u64 = 64;

/// Stands for the logarithm of 0, and two of them can be added.
const NOTHING: f32 = -1e38;

/// What shaders call to learn one entry.
pub(super) const ENTRY: &str = include_str!("shaders/entry.wgsl");

/// What finds those of a tile.
pub(super) const ENTRIES: &str = include_str!("shaders/entries.wgsl");

const PROJECT: Kernel = Kernel {
    source: &[include_str!("shaders/project.wgsl")],
    name: "project",
    writes: &[false, false, false, true],
    flags: NO_FLAGS,
};
const CHUNK_LARGEST: Kernel = Kernel {
    source: &[include_str!("shaders/largest.wgsl")],
    name: "chunk_largest",
    writes: &[false, true],
    flags: NO_FLAGS,
};
const RUNNING_LARGEST: Kernel = Kernel { name: "running_largest", ..CHUNK_LARGEST };
const CHUNK_STATE: Kernel = Kernel {
    source: &[include_str!("shaders/state.wgsl")],
    name: "chunk_state",
    writes: &[false, false, false, true],
    flags: NO_FLAGS,
};
const RUNNING_STATE: Kernel = Kernel {
    source: &[include_str!("shaders/running_state.wgsl")],
    name: "running_state",
    writes: &[false, true],
    flags: NO_FLAGS,
};
const READ_STATE: Kernel = Kernel {
    source: &[include_str!("shaders/read_state.wgsl")],
    name: "read_state",
    writes: &[false, false, false, true],
    flags: NO_FLAGS,
};
const LOW_RANK: Kernel = Kernel {
    source: &[ENTRY, STREAM, ENTRIES, include_str!("shaders/low_rank.wgsl")],
    name: "low_rank",
    writes: &[false, false, false, false, true],
    flags: NO_FLAGS,
};

/// The feature maps of a group, head after head, as shaders read them.
pub(super) struct Material {
    /// `[slices, 4 dim + 1, features]`: components of the directions, and constants.
    directions: Vec<f32>,
    /// `[slices, 2, 2 dim + 1]` vectors: of queries and of keys the mean, that of the other side, and factor and limit.
    sides: Vec<f32>,
}

/// What stages find of the low-rank part. Dimensions are in vectors, the last one of each.
pub(super) struct LowRank {
    /// `[slices, queries, features]`: logarithms that give, added to those of a key, the logarithms of an entry's terms. Features
    /// that pad the last vector are [`NOTHING`].
    pub queries: wgpu::Buffer,
    /// `[slices, keys, features]`, likewise.
    pub keys: wgpu::Buffer,
    /// `[slices, queries, values + 1]`: sums of entry times value over the first keys, in units of exp(a). The last vector is a, the
    /// sum of the entries, and how many keys that is: all, or in a causal head those of whole chunks.
    pub low: wgpu::Buffer,
}

/// Bytes that a slice takes in the largest buffer.
pub(super) fn bytes(plan: &Plan) -> u64 {
    let shape = plan.shape;
    let features = u64::from(vectors(plan.feature_count()));
    let (queries, keys, values) = (shape.queries as u64, shape.keys as u64, u64::from(vectors(shape.value_dim)));
    let directions = features * (4 * u64::from(vectors(shape.dim)) + 1);
    let state = keys.div_ceil(u64::from(chunk(plan))) * 4 * features * (values + 1);
    VECTOR * directions.max(state).max(queries.max(keys) * features)
}

fn chunk(plan: &Plan) -> u32 {
    if plan.causal { CAUSAL_CHUNK } else { CHUNK }
}

impl Material {
    /// Room for so many heads.
    pub fn new(plan: &Plan, heads: usize) -> Result<Material> {
        let what = "feature maps on their way to the GPU";
        let (dim, features) = (4 * vectors(plan.shape.dim) as usize, 4 * vectors(plan.feature_count()) as usize);
        Ok(Material {
            directions: memory::with_capacity(what, heads * (dim + 1) * features)?,
            sides: memory::with_capacity(what, heads * 2 * (2 * dim + 4))?,
        })
    }

    /// Draws or fits the map of the next head.
    pub fn add(&mut self, features: FeaturePlan, plan: &Plan, head: &Head) -> Result<()> {
        let map = FeatureMap::new(features, plan, head)?;
        let Some(map) = map.exponentials() else {
            return Err(Error::unsupported("this feature map on the GPU", "use backend \"wasm\""));
        };
        let dim = 4 * vectors(plan.shape.dim) as usize;
        let (count, padded) = (plan.feature_count(), 4 * vectors(plan.feature_count()) as usize);
        for component in 0..dim {
            let inside = if component < plan.shape.dim { count } else { 0 };
            self.directions.extend((0..inside).map(|feature| map.direction(component, feature)));
            self.directions.resize(self.directions.len() + padded - inside, 0.0);
        }
        self.directions.extend((0..count).map(|feature| map.constant(feature)));
        self.directions.resize(self.directions.len() + padded - count, NOTHING);
        let Exponentials { queries, keys, .. } = map;
        self.add_side(&queries, &keys, dim);
        self.add_side(&keys, &queries, dim);
        Ok(())
    }

    fn add_side(&mut self, own: &Affine, other: &Affine, dim: usize) {
        for mean in [own.mean, other.mean] {
            self.sides.extend(mean);
            self.sides.resize(self.sides.len() + dim - mean.len(), 0.0);
        }
        self.sides.extend([own.factor, own.limit, 0.0, 0.0]);
    }
}

/// Adds the stages up to what rows read from states.
pub(super) fn encode(builder: &mut Builder, material: &Material) -> Result<LowRank> {
    let (plan, shape) = (builder.plan, builder.plan.shape);
    let chunk = chunk(plan);
    builder.params.features = plan.feature_count() as u32;
    builder.params.feature_vectors = vectors(plan.feature_count());
    builder.params.chunk = chunk;
    builder.params.lag = match plan.support {
        SupportPlan::Window { size } if plan.causal => size as u32,
        _ => 0,
    };
    let slices = builder.slices.len() as u64;
    let (dim, values) = (u64::from(builder.params.dim), u64::from(builder.params.values));
    let features = u64::from(builder.params.feature_vectors);
    let (queries, keys) = (shape.queries as u64, shape.keys as u64);
    let chunks = keys.div_ceil(u64::from(chunk));

    let directions = builder.upload("feature directions", &material.directions)?;
    let sides = builder.upload("feature means", &material.sides)?;
    let query_logs = builder.storage("query features", slices * queries * features * VECTOR)?;
    let key_logs = builder.storage("key features", slices * keys * features * VECTOR)?;
    let largest = builder.storage("largest features", slices * chunks * features * VECTOR)?;
    let state = builder.storage("low-rank states", slices * chunks * 4 * features * (values + 1) * VECTOR)?;
    let low = builder.storage("low-rank rows", slices * queries * (values + 1) * VECTOR)?;

    let tile = (ROWS * 4 * COLUMNS) as f64;
    let blocks = features.div_ceil(COLUMNS);
    for (rows, tokens, logs, flags) in [
        (queries, builder.q.clone(), &query_logs, NO_FLAGS),
        (keys, builder.k.clone(), &key_logs, [Some("KEYS"), None]),
    ] {
        let workgroups = slices * rows.div_ceil(ROWS) * blocks;
        let cost = tile * (4 * dim + 1) as f64;
        let buffers = [&tokens, &directions, &sides, logs];
        builder.stage(Task::Project, Kernel { flags, ..PROJECT }, &buffers, workgroups, cost)?;
    }
    // Bound by memory: a vector read takes as long as some multiply-adds.
    let scan = |steps: u64| (THREADS * steps * 8) as f64;
    let workgroups = (slices * chunks * features).div_ceil(THREADS);
    let cost = scan(u64::from(chunk).min(keys));
    builder.stage(Task::LowRank, CHUNK_LARGEST, &[&key_logs, &largest], workgroups, cost)?;
    let workgroups = (slices * features).div_ceil(THREADS);
    builder.stage(Task::LowRank, RUNNING_LARGEST, &[&key_logs, &largest], workgroups, scan(chunks))?;

    let parts = values.div_ceil(COLUMNS);
    let v = builder.v.clone();
    let cost = (u64::from(chunk).min(keys) * 4 * COLUMNS * (4 * COLUMNS + 4)) as f64;
    let workgroups = slices * chunks * blocks * parts;
    builder.stage(Task::LowRank, CHUNK_STATE, &[&key_logs, &largest, &v, &state], workgroups, cost)?;
    let workgroups = (slices * 4 * features * (values + 1)).div_ceil(THREADS);
    builder.stage(Task::LowRank, RUNNING_STATE, &[&largest, &state], workgroups, scan(chunks))?;

    let flags = [plan.causal.then_some("CAUSAL"), None];
    let cost = tile * (4 * features + 8) as f64;
    let workgroups = slices * queries.div_ceil(ROWS) * parts;
    let buffers = [&query_logs, &largest, &state, &low];
    builder.stage(Task::LowRank, Kernel { flags, ..READ_STATE }, &buffers, workgroups, cost)?;
    Ok(LowRank { queries: query_logs, keys: key_logs, low })
}

/// Adds the stage that makes rows of the low-rank part alone.
pub(super) fn encode_rows(builder: &mut Builder, part: &LowRank) -> Result<()> {
    let shape = builder.plan.shape;
    let flags = [builder.plan.causal.then_some("CAUSAL"), None];
    let (values, features) = (u64::from(builder.params.values), u64::from(builder.params.feature_vectors));
    let parts = values.div_ceil(COLUMNS);
    let left = if builder.plan.causal { u64::from(2 * CAUSAL_CHUNK).min(shape.keys as u64) } else { 1 };
    let cost = (ROWS * left * (4 * features + 4 * COLUMNS)) as f64;
    let workgroups = builder.slices.len() as u64 * (shape.queries as u64).div_ceil(ROWS) * parts;
    let (v, output) = (builder.v.clone(), builder.output.clone());
    let buffers = [&part.queries, &part.keys, &v, &part.low, &output];
    builder.stage(Task::LowRank, Kernel { flags, ..LOW_RANK }, &buffers, workgroups, cost)?;
    Ok(())
}
