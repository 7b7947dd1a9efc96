//! Hashed tokens in lists: what random numbers decide is drawn as on the processor, so that the same seed means the same groups.

use crate::attention::{Inputs, Task};
use crate::error::Result;
use crate::gpu::group::{Builder, VECTOR, upload, vectors};
use crate::gpu::pipelines::{Flags, Kernel, NO_FLAGS};
use crate::plan::Plan;
use crate::random::{Purpose, generator, signs};
use crate::support::{piece_start, smyrf};

/// As in the shaders.
const HASH_TILE: usize = 2048;
const HASH_THREADS: u64 = 64;
const SORT_BLOCK: u64 = 1024;
const SORT_THREADS: u64 = 256;

/// What shaders call to find their way in lists.
pub(super) const LISTS: &str = include_str!("shaders/lists.wgsl");

const LSH: &[&str] = &[include_str!("shaders/lsh.wgsl")];
const SMYRF: &[&str] = &[include_str!("shaders/smyrf.wgsl")];
const SORT: &[&str] = &[LISTS, include_str!("shaders/sort.wgsl")];
const BUCKETS: &[&str] = &[LISTS, include_str!("shaders/buckets.wgsl")];

/// One of the two kinds of tokens.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Queries,
    Keys,
}

impl Side {
    fn flags(self) -> Flags {
        [(self == Side::Keys).then_some("KEYS"), None]
    }

    fn count(self, plan: &Plan) -> u64 {
        (match self {
            Side::Queries => plan.shape.queries,
            Side::Keys => plan.shape.keys,
        }) as u64
    }
}

/// Bytes of the largest buffer of a slice.
pub(super) fn bytes(plan: &Plan, rounds: usize, groups: usize) -> u64 {
    let shape = plan.shape;
    let lists = (groups + 1 + 2 * (shape.queries + shape.keys)) * size_of::<u32>();
    let sorted = shape.queries.max(shape.keys) * 2 * size_of::<u32>();
    let signs = 3 * shape.dim.next_power_of_two() * size_of::<f32>();
    (rounds * lists.max(sorted).max(signs)) as u64
}

/// Buckets of cross-polytope hashing, whole or in chunks of so many keys.
pub(super) fn lsh(
    builder: &mut Builder,
    inputs: &Inputs<Vec<f32>>,
    rounds: usize,
    chunk: Option<usize>,
) -> Result<wgpu::Buffer> {
    let plan = builder.plan;
    let axes = plan.shape.dim.next_power_of_two();
    builder.params.extra[2] = axes as u32;
    let mut drawn = Vec::with_capacity(builder.slices.len() * rounds * 3 * axes);
    for slice in builder.slices.clone() {
        for round in 0..rounds {
            drawn.extend(signs(&mut generator(plan.seed, slice, Purpose::Hash { round }), 3 * axes));
        }
    }
    let signs = builder.upload("hash signs", &drawn)?;
    let lists = match chunk {
        Some(chunk) => lists_of_pieces(builder, rounds, chunk)?,
        None => lists(builder, rounds, 2 * axes)?,
    };
    let list_count = (builder.slices.len() * rounds) as u64;
    let query_buckets = builder.storage("buckets of queries", list_count * Side::Queries.count(plan) * 4)?;
    let buckets = builder.storage("buckets", list_count * Side::Keys.count(plan) * 4)?;
    let raw_queries = raw_queries(builder, inputs)?;
    let together = (HASH_TILE / axes).min(HASH_THREADS as usize) as u64;
    let cost = (together as usize * axes * (8 + 3 * axes.ilog2() as usize)) as f64;
    let keys = builder.k.clone();
    for (side, tokens, out) in [(Side::Queries, &raw_queries, &query_buckets), (Side::Keys, &keys, &buckets)] {
        let kernel = Kernel { source: LSH, name: "hash", writes: &[false, false, true], flags: side.flags() };
        let workgroups = list_count * side.count(plan).div_ceil(together);
        builder.stage(Task::Search, kernel, &[tokens, &signs, out], workgroups, cost)?;
    }
    sort(builder, Side::Queries, rounds, &query_buckets, &lists, None)?;
    sort(builder, Side::Keys, rounds, &buckets, &lists, None)?;
    let (name, threads) = match chunk {
        Some(_) => ("middles", Side::Queries.count(plan)),
        None => ("bounds", u64::from(builder.params.extra[1]) + 1),
    };
    let kernel = Kernel { source: BUCKETS, name, writes: &[false, true], flags: NO_FLAGS };
    let cost = (HASH_THREADS * 100) as f64;
    builder.stage(Task::Sort, kernel, &[&buckets, &lists], list_count * threads.div_ceil(HASH_THREADS), cost)?;
    Ok(lists)
}

/// SMYRF's clusters of so many keys.
pub(super) fn smyrf(
    builder: &mut Builder,
    inputs: &Inputs<Vec<f32>>,
    cluster: usize,
    rounds: usize,
) -> Result<wgpu::Buffer> {
    let plan = builder.plan;
    let dim = plan.shape.dim;
    let stride = 4 * builder.params.dim as usize;
    let slices = builder.slices.len() as u64;
    let mut directions = vec![0.0; slices as usize * rounds * (stride + 4)];
    let mut next = directions.chunks_exact_mut(stride + 4);
    for slice in builder.slices.clone() {
        for (round, out) in (0..rounds).zip(&mut next) {
            let drawn = smyrf::direction(plan.seed, slice, round, dim + 2);
            out[..dim].copy_from_slice(&drawn[..dim]);
            out[stride..stride + 2].copy_from_slice(&drawn[dim..]);
        }
    }
    let directions = builder.upload("hash directions", &directions)?;
    let raw_queries = raw_queries(builder, inputs)?;
    let keys = builder.k.clone();
    let radii = builder.storage("lengths of lifted tokens", slices * 4)?;
    let mut products = Vec::new();
    for (side, tokens) in [(Side::Queries, &raw_queries), (Side::Keys, &keys)] {
        let out = builder.storage("projections", slices * side.count(plan) * (1 + rounds as u64) * 4)?;
        let kernel = Kernel { source: SMYRF, name: "project", writes: &[false, false, true], flags: side.flags() };
        let workgroups = slices * side.count(plan).div_ceil(HASH_THREADS);
        let cost = (HASH_THREADS as usize * (1 + rounds) * stride) as f64;
        builder.stage(Task::Search, kernel, &[tokens, &directions, &out], workgroups, cost)?;
        products.push(out);
    }
    let kernel = Kernel { source: SMYRF, name: "radius", writes: &[false, false, true], flags: NO_FLAGS };
    let cost = (plan.shape.queries + plan.shape.keys) as f64;
    builder.stage(Task::Search, kernel, &[&products[0], &products[1], &radii], slices, cost)?;
    let lists = lists_of_pieces(builder, rounds, cluster)?;
    let starts: Vec<u32> =
        builder.slices.clone().flat_map(|slice| starts(builder, slice, Side::Queries, cluster)).collect();
    let starts = builder.upload("groups of queries", &starts)?;
    for (side, products) in [(Side::Queries, &products[0]), (Side::Keys, &products[1])] {
        let values = builder.storage("hashes", slices * rounds as u64 * side.count(plan) * 4)?;
        let kernel = Kernel { source: SMYRF, name: "lift", writes: &[false, false, false, true], flags: side.flags() };
        let workgroups = slices * side.count(plan).div_ceil(HASH_THREADS);
        let cost = (HASH_THREADS as usize * 8 * (1 + rounds)) as f64;
        builder.stage(Task::Search, kernel, &[products, &directions, &radii, &values], workgroups, cost)?;
        sort(builder, side, rounds, &values, &lists, Some(&starts))?;
    }
    Ok(lists)
}

/// Sorts tokens by their values, which are the groups of queries, unless these are pieces of the order that start at `query_starts`.
fn sort(
    builder: &mut Builder,
    side: Side,
    rounds: usize,
    values: &wgpu::Buffer,
    lists: &wgpu::Buffer,
    query_starts: Option<&wgpu::Buffer>,
) -> Result<()> {
    let count = side.count(builder.plan);
    let list_count = (builder.slices.len() * rounds) as u64;
    let sorted = builder.storage("sorted blocks", list_count * count * 8)?;
    let blocks = count.div_ceil(SORT_BLOCK);
    let kernel = Kernel { source: SORT, name: "sort_blocks", writes: &[false, true], flags: side.flags() };
    // Half the tokens in each of 55 passes.
    let cost = (SORT_BLOCK * 55 * 4) as f64;
    builder.stage(Task::Sort, kernel, &[values, &sorted], list_count * blocks, cost)?;
    let flags = [side.flags()[0], query_starts.and(Some("SPLIT"))];
    let kernel = Kernel { source: SORT, name: "place", writes: &[false, true, false], flags };
    let cost = (SORT_THREADS * (blocks + 1) * 40) as f64;
    let buffers = [&sorted, lists, query_starts.unwrap_or(values)];
    builder.stage(Task::Sort, kernel, &buffers, list_count * count.div_ceil(SORT_THREADS), cost)?;
    Ok(())
}

/// The buffer of lists, as `shaders/lists.wgsl` has it.
fn lists(builder: &mut Builder, rounds: usize, groups: usize) -> Result<wgpu::Buffer> {
    let shape = builder.plan.shape;
    builder.params.rounds = rounds as u32;
    builder.params.extra[1] = groups as u32;
    let words = builder.slices.len() * rounds * (groups + 1 + 2 * (shape.queries + shape.keys));
    builder.storage("lists of keys", (words * size_of::<u32>()) as u64)
}

/// The same for equal pieces of `size` keys, or one less.
fn lists_of_pieces(builder: &mut Builder, rounds: usize, size: usize) -> Result<wgpu::Buffer> {
    let plan = builder.plan;
    let most = builder.slices.clone().map(|slice| keys_of(plan, slice).div_ceil(size)).max();
    let buffer = lists(builder, rounds, most.unwrap_or(0).max(1))?;
    let mut all = Vec::new();
    for slice in builder.slices.clone() {
        let own = starts(builder, slice, Side::Keys, size);
        (0..rounds).for_each(|_| all.extend_from_slice(&own));
    }
    builder.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&all));
    Ok(buffer)
}

/// Where each group of a slice starts; those after the last one at the end.
fn starts(builder: &Builder, slice: usize, side: Side, size: usize) -> Vec<u32> {
    let keys = keys_of(builder.plan, slice);
    let (pieces, groups) = (keys.div_ceil(size), builder.params.extra[1] as usize);
    let len = match side {
        Side::Queries => builder.plan.shape.queries,
        Side::Keys => keys,
    };
    (0..=groups)
        .map(|group| {
            if group == 0 {
                0
            } else if group < pieces {
                piece_start(group, len, pieces) as u32
            } else {
                len as u32
            }
        })
        .collect()
}

fn keys_of(plan: &Plan, slice: usize) -> usize {
    plan.key_lengths[plan.shape.batch_of(slice)]
}

/// Queries as they came: a hash must not depend on the temperature, not even by rounding.
fn raw_queries(builder: &mut Builder, inputs: &Inputs<Vec<f32>>) -> Result<wgpu::Buffer> {
    let shape = builder.plan.shape;
    let rows = builder.slices.len() * shape.queries;
    let buffer = builder.storage("raw queries", rows as u64 * u64::from(vectors(shape.dim)) * VECTOR)?;
    let mut padded = Vec::new();
    for (n, slice) in builder.slices.clone().enumerate() {
        upload(
            builder.gpu,
            &buffer,
            n * shape.queries,
            &inputs.q[shape.q_range(slice)],
            shape.dim,
            &mut padded,
            |x| x,
        )?;
    }
    Ok(buffer)
}
