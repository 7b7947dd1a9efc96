//! Exact attention.

use crate::attention::Task;
use crate::error::Result;
use crate::gpu::group::Builder;
use crate::gpu::pipelines::Kernel;

/// As in the shader.
pub(super) const QUERIES: u64 = 64;
pub(super) const COLUMNS: u64 = 16;

/// What shaders that stream tiles of keys past their rows share.
pub(super) const STREAM: &str = include_str!("shaders/stream.wgsl");

/// What finds the logits of a tile.
pub(super) const LOGITS: &str = include_str!("shaders/logits.wgsl");

const SOURCE: &[&str] = &[STREAM, LOGITS, include_str!("shaders/exact.wgsl")];
const WRITES: &[bool] = &[false, false, false, true];

/// Adds the one stage that it takes.
pub(super) fn encode(builder: &mut Builder, entropy: bool) -> Result<()> {
    let shape = builder.plan.shape;
    let flags = [builder.plan.causal.then_some("CAUSAL"), entropy.then_some("ENTROPY")];
    let kernel = Kernel { source: SOURCE, name: "exact", writes: WRITES, flags };
    let blocks = (shape.queries as u64).div_ceil(QUERIES);
    let parts = u64::from(builder.params.values).div_ceil(COLUMNS);
    let cost = (QUERIES * shape.keys as u64 * (4 * u64::from(builder.params.dim) + 4 * COLUMNS)) as f64;
    let buffers = [builder.q.clone(), builder.k.clone(), builder.v.clone(), builder.output.clone()];
    let workgroups = builder.slices.len() as u64 * blocks * parts;
    builder.stage(Task::Tiles, kernel, &buffers.each_ref(), workgroups, cost)?;
    Ok(())
}
