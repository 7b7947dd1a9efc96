//! Rows with a support: hashed, a window, or the caller's own.

use crate::attention::{Inputs, Task};
use crate::error::Result;
use crate::gpu::exact;
use crate::gpu::group::{Builder, VECTOR, vectors};
use crate::gpu::hash;
use crate::gpu::low_rank::{self, LowRank};
use crate::gpu::pipelines::{Kernel, NO_FLAGS};
use crate::plan::{Csr, Plan, SupportPlan};

/// What a list is, as in the shader.
const BAND: u32 = 0;
const HASHED: u32 = 1;
const EXPLICIT: u32 = 2;

/// When a difference of sums is not to be trusted.
const SUMS: &str = include_str!("shaders/support_sums.wgsl");

const SOURCE: &[&str] = &[hash::LISTS, low_rank::ENTRY, SUMS, include_str!("shaders/rows.wgsl")];
const WRITES: &[bool] = &[false, false, false, false, false, false, false, true];

const TILES: Kernel = Kernel {
    source: &[
        hash::LISTS,
        exact::STREAM,
        exact::LOGITS,
        low_rank::ENTRY,
        low_rank::ENTRIES,
        include_str!("shaders/tiles.wgsl"),
    ],
    name: "tiles",
    writes: WRITES,
    flags: NO_FLAGS,
};
const MERGE: Kernel = Kernel {
    source: &[SUMS, include_str!("shaders/merge.wgsl")],
    name: "merge",
    writes: &[false, false, true],
    flags: NO_FLAGS,
};
const MERGE_THREADS: u64 = 64;

/// Bytes of the largest buffer of a slice.
pub(super) fn bytes(plan: &Plan) -> u64 {
    let shape = plan.shape;
    let hashed = |rounds, groups| hash::bytes(plan, rounds, groups).max(part_bytes(plan, rounds));
    match &plan.support {
        SupportPlan::Lsh { rounds, chunk: Some(chunk) } if !plan.causal => hashed(*rounds, shape.keys.div_ceil(*chunk)),
        SupportPlan::Lsh { rounds, .. } => hashed(*rounds, 2 * shape.dim.next_power_of_two()),
        SupportPlan::Smyrf { cluster, rounds } => hashed(*rounds, shape.keys.div_ceil(*cluster)),
        SupportPlan::Explicit(csr) => {
            let most = (0..shape.slices()).map(|slice| words(csr, plan, slice)).max();
            (most.unwrap_or(0) * size_of::<u32>()) as u64
        }
        _ => 0,
    }
}

/// Adds the stages that find the support and make rows of it, and of the low-rank part where there is one.
pub(super) fn encode(builder: &mut Builder, inputs: &Inputs<Vec<f32>>, low_rank: Option<&LowRank>) -> Result<()> {
    let plan = builder.plan;
    let shape = plan.shape;
    builder.params.rounds = 1;
    builder.params.latest = u32::MAX;
    // How many keys a row has, about.
    let (kind, lists, keys) = match &plan.support {
        SupportPlan::Lsh { rounds, chunk } => {
            builder.params.latest = chunk.filter(|_| plan.causal).map_or(u32::MAX, |chunk| chunk as u32);
            let lists = hash::lsh(builder, inputs, *rounds, chunk.filter(|_| !plan.causal))?;
            let bucket = shape.keys.div_ceil(2 * shape.dim) * 4;
            (HASHED, lists, rounds * chunk.unwrap_or(bucket).min(shape.keys))
        }
        SupportPlan::Smyrf { cluster, rounds } => {
            (HASHED, hash::smyrf(builder, inputs, *cluster, *rounds)?, rounds * cluster.min(&shape.keys))
        }
        SupportPlan::Explicit(csr) => {
            builder.params.extra[1] = u32::from(csr.is_shared(shape.queries));
            let words = explicit(builder, csr);
            (EXPLICIT, builder.upload("explicit support", &words)?, words.len() / words[0] as usize)
        }
        SupportPlan::Window { size } => {
            builder.params.size = *size as u32;
            (BAND, builder.q.clone(), *size.min(&shape.keys))
        }
        // The others have stages of their own.
        _ => return Ok(()),
    };
    builder.params.extra[0] = kind;
    let none = LowRank { queries: lists.clone(), keys: lists.clone(), low: lists.clone() };
    let low_rank = low_rank.unwrap_or(&none);
    let [q, k, v, output] = [&builder.q, &builder.k, &builder.v, &builder.output].map(Clone::clone);
    let buffers = [&q, &k, &v, &lists, &low_rank.queries, &low_rank.keys, &low_rank.low, &output];
    let row_count = (builder.slices.len() * shape.queries) as u64;
    let vectors = builder.params.dim + builder.params.values;
    let entry = f64::from(4 * vectors + 16 * builder.params.feature_vectors);
    let rows = |careful: bool| {
        let flags = [plan.causal.then_some("CAUSAL"), careful.then_some("CAREFUL")];
        Kernel { source: SOURCE, name: "rows", writes: WRITES, flags }
    };
    let cost = |keys: usize| (keys + 64) as f64 * entry;
    if kind == HASHED && !plan.causal {
        tiles(builder, &lists, low_rank, keys)?;
    } else {
        builder.stage(Task::Tiles, rows(false), &buffers, row_count, cost(keys))?;
    }
    // The sums of a window's low-rank part leave the support out already.
    if builder.params.features > 0 && builder.params.lag == 0 {
        builder.stage(Task::Tiles, rows(true), &buffers, row_count, cost(shape.keys))?.may_idle = true;
    }
    Ok(())
}

/// Bytes of what the rounds find of a slice's rows in tiles.
fn part_bytes(plan: &Plan, rounds: usize) -> u64 {
    let vectors = rounds * plan.shape.queries * (vectors(plan.shape.value_dim) as usize + 1);
    if plan.causal { 0 } else { vectors as u64 * VECTOR }
}

/// Adds the stages that make rows of a hashed support in tiles, for about so many keys a row.
fn tiles(builder: &mut Builder, lists: &wgpu::Buffer, low_rank: &LowRank, keys: usize) -> Result<()> {
    let params = &builder.params;
    let rounds = u64::from(params.rounds);
    let (values, queries) = (u64::from(params.values), u64::from(params.queries));
    let slices = builder.slices.len() as u64;
    // Groups seldom begin where tiles do.
    let width = keys as u64 / rounds + exact::QUERIES;
    let factors = u64::from(params.dim + params.feature_vectors) + exact::COLUMNS;
    let bytes = slices * part_bytes(builder.plan, rounds as usize);
    let parts = builder.storage("rows by round", bytes)?;
    let [q, k, v, output] = [&builder.q, &builder.k, &builder.v, &builder.output].map(Clone::clone);
    let buffers = [&q, &k, &v, lists, &low_rank.queries, &low_rank.keys, &low_rank.low, &parts];
    let workgroups = slices * rounds * queries.div_ceil(exact::QUERIES) * values.div_ceil(exact::COLUMNS);
    let cost = (exact::QUERIES * width * 4 * factors) as f64;
    builder.stage(Task::Tiles, TILES, &buffers, workgroups, cost)?;
    let threads = slices * queries * (values + 1);
    let cost = (MERGE_THREADS * rounds * 16) as f64;
    let buffers = [&parts, &low_rank.low, &output];
    builder.stage(Task::Tiles, MERGE, &buffers, threads.div_ceil(MERGE_THREADS), cost)?;
    Ok(())
}

/// Where the rows of the group start, then their keys; a support that all heads share is there once.
fn explicit(builder: &Builder, csr: &Csr) -> Vec<u32> {
    let queries = builder.plan.shape.queries;
    let slices = if csr.is_shared(queries) { 0..1 } else { builder.slices.clone() };
    let rows = || slices.clone().flat_map(|slice| (0..queries).map(move |query| csr.row(slice, query, queries)));
    let mut start = (slices.len() * queries + 1) as u32;
    let mut words = vec![start];
    for row in rows() {
        start += row.len() as u32;
        words.push(start);
    }
    rows().for_each(|row| words.extend_from_slice(row));
    words
}

/// What [`explicit`] takes for a slice.
fn words(csr: &Csr, plan: &Plan, slice: usize) -> usize {
    let queries = plan.shape.queries;
    (0..queries).map(|query| 1 + csr.row(slice, query, queries).len()).sum::<usize>() + 1
}
