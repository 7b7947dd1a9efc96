//! A plan being carried out on a GPU, some milliseconds of work at a time.

use std::sync::Arc;

use crate::attention::{Clock, Head, Inputs, Stats, Task};
use crate::error::{Error, Result};
use crate::gpu::buffers::Use;
use crate::gpu::clusters::{Forest, Walk};
use crate::gpu::group::{Builder, Group, VECTOR, slices_together, tensor_bytes, vectors};
use crate::gpu::low_rank::{self, Material};
use crate::gpu::stage::{Pace, Submission};
use crate::gpu::{Gpu, exact, support};
use crate::memory;
use crate::plan::{FeaturePlan, Plan, SupportPlan};
use crate::shape::Tensor;

/// A [`Run`](crate::Run) on a GPU. Call [`step`](GpuRun::step) until [`is_done`](GpuRun::is_done), then
/// [`finish`](GpuRun::finish).
pub struct GpuRun {
    gpu: Gpu,
    plan: Arc<Plan>,
    inputs: Inputs<Vec<f32>>,
    output: Vec<f32>,
    /// The first slice of the next group.
    slice: usize,
    group: Option<Group>,
    submission: Option<Submission>,
    pace: Pace,
    clock: Clock,
    peak_bytes: u64,
    support_entries: u64,
    clusters: u64,
    /// Sum over rows, where it is wanted; exact attention only.
    entropy: Option<f64>,
}

impl GpuRun {
    /// Checks inputs and sizes.
    ///
    /// # Errors
    /// Those of [`Run::new`](crate::Run::new), and [`Error::Unsupported`] for what the GPU cannot do (yet); the same plan then
    /// runs on the processor.
    pub fn new(gpu: &Gpu, plan: Plan, inputs: Inputs<Vec<f32>>) -> Result<GpuRun> {
        inputs.check(&plan)?;
        supported(&plan)?;
        slices_together(gpu, &plan, 0, largest_bytes(&plan))?;
        gpu.check()?;
        Ok(GpuRun {
            gpu: gpu.clone(),
            output: memory::zeros("the output", plan.whole().output.len())?,
            plan: Arc::new(plan),
            inputs,
            slice: 0,
            group: None,
            submission: None,
            pace: gpu.pace(),
            clock: Clock::new(),
            peak_bytes: 0,
            support_entries: 0,
            clusters: 0,
            entropy: None,
        })
    }

    /// Exact attention that also sums the entropy of its rows.
    pub(crate) fn with_entropy(gpu: &Gpu, plan: Plan, inputs: Inputs<Vec<f32>>) -> Result<GpuRun> {
        Ok(GpuRun { entropy: Some(0.0), ..GpuRun::new(gpu, plan, inputs)? })
    }

    /// Mean entropy of the rows, in nats.
    pub(crate) fn mean_entropy(&self) -> f64 {
        self.entropy.unwrap_or(0.0) / (self.plan.shape.slices() * self.plan.shape.queries) as f64
    }

    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.slice == self.plan.shape.slices() && self.group.is_none()
    }

    /// Share of the work done, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        let group = self.group.as_ref().map_or(0.0, |group| group.stages.fraction() * group.slices.len() as f64);
        let begun = self.group.as_ref().map_or(0, |group| group.slices.len());
        ((self.slice - begun) as f64 + group) / self.plan.shape.slices() as f64
    }

    /// Does one piece of work: uploads some heads, or has the device work for some milliseconds, or reads what it made. Does nothing
    /// when done.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Unsupported`] for a size that shows only now, and
    /// [`Error::DeviceFailed`].
    pub async fn step(&mut self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.clock.start();
        let gpu = self.gpu.clone();
        match self.group.take() {
            None => {
                let (group, verdict) = gpu.scoped(|| self.prepare())?;
                verdict.await?;
                self.slice = group.slices.end;
                self.peak_bytes = self.peak_bytes.max(gpu.pool().bytes());
                self.group = Some(group);
            }
            Some(mut group) if !group.stages.is_done() => {
                let (next, verdict) = gpu.scoped(|| Ok(group.stages.submit(&gpu, self.pace)))?;
                self.group = Some(group);
                verdict.await?;
                // The device works on this one while we wait for the one before.
                if let Some(before) = self.submission.replace(next) {
                    before.finish(&gpu, &mut self.pace, &mut self.clock).await?;
                }
            }
            Some(group) => {
                if let Some(last) = self.submission.take() {
                    last.finish(&gpu, &mut self.pace, &mut self.clock).await?;
                }
                self.clock.start();
                self.read(group).await?;
                self.clock.lap(Task::Prepare);
            }
        }
        gpu.set_pace(self.pace);
        Ok(())
    }

    /// The output `[batch, heads, queries, value_dim]`, and what it took.
    pub fn finish(self) -> (Tensor, Stats) {
        let phases = self.clock.phases();
        let whole = self.plan.whole();
        let tensors = (whole.q.len() + whole.k.len() + whole.v.len() + whole.output.len()) * size_of::<f32>();
        let stats = Stats {
            instruction_set: "wgsl",
            milliseconds: phases.iter().map(|phase| phase.milliseconds).sum(),
            support_entries: self.support_entries,
            peak_bytes: tensors as u64 + self.peak_bytes,
            phases,
            ..Stats::of(&self.plan, &whole, self.clusters)
        };
        (Tensor { data: self.output, shape: self.plan.shape.output() }, stats)
    }

    /// The output, and the inputs for another run.
    pub(super) fn into_output(self) -> (Vec<f32>, Inputs<Vec<f32>>) {
        (self.output, self.inputs)
    }

    /// Puts the next group together.
    fn prepare(&mut self) -> Result<Group> {
        let plan = self.plan.clone();
        let slices = slices_together(&self.gpu, &plan, self.slice, largest_bytes(&plan))?;
        if let Some(walk) = Walk::of(&plan) {
            let forest = Forest::new(&self.gpu, &plan, walk, &self.inputs, slices, &mut self.clock)?;
            let slices = forest.slices.clone();
            let mut builder = Builder::new(&self.gpu, &plan, &self.inputs, slices, &mut self.clock, |_| Ok(()))?;
            forest.encode(&mut builder)?;
            let group = builder.finish();
            self.clock.lap(Task::Prepare);
            return Ok(group);
        }
        let features = plan.feature_map();
        let mut material = Material::new(&plan, slices.len())?;
        let each = |head: &Head| features.map_or(Ok(()), |features| material.add(features, &plan, head));
        let mut builder = Builder::new(&self.gpu, &plan, &self.inputs, slices, &mut self.clock, each)?;
        self.clock.lap(Task::Prepare);
        let part = features.map(|_| low_rank::encode(&mut builder, &material)).transpose()?;
        match (&plan.support, &part) {
            (SupportPlan::All, _) => exact::encode(&mut builder, self.entropy.is_some())?,
            (SupportPlan::Empty, Some(part)) => low_rank::encode_rows(&mut builder, part)?,
            _ => support::encode(&mut builder, &self.inputs, part.as_ref())?,
        }
        let group = builder.finish();
        self.clock.lap(Task::Prepare);
        Ok(group)
    }

    /// Brings the output of a group back.
    async fn read(&mut self, group: Group) -> Result<()> {
        let shape = self.plan.shape;
        let stride = 4 * (vectors(shape.value_dim) as usize + 1);
        let rows = group.slices.len() * shape.queries;
        let bytes = (rows * stride * size_of::<f32>()) as u64;
        debug_assert!(bytes.is_multiple_of(VECTOR));
        let gpu = self.gpu.clone();
        let ((staging, mapped), verdict) = gpu.scoped(|| {
            let staging = gpu.pool().take("output, read", Use::Read, bytes);
            let mut encoder =
                gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("output") });
            encoder.copy_buffer_to_buffer(&group.output, 0, &staging.buffer, 0, bytes);
            gpu.queue().submit([encoder.finish()]);
            let mapped = staging.map(bytes);
            Ok((staging, mapped))
        })?;
        verdict.await?;
        gpu.wait();
        let mapped = mapped.await;
        gpu.check()?;
        let failed = |why: &str| Error::DeviceFailed { why: why.into() };
        mapped
            .map_err(|_| failed("reading the output was called off"))?
            .map_err(|_| failed("the output could not be read"))?;
        let words = staging.copy_mapped(bytes).map_err(|error| failed(&error.to_string()))?;
        let numbers: &[f32] = bytemuck::cast_slice(&words);
        let start = shape.output_range(group.slices.start).start;
        for (n, row) in numbers.chunks_exact(stride).take(rows).enumerate() {
            self.output[start + n * shape.value_dim..][..shape.value_dim].copy_from_slice(&row[..shape.value_dim]);
            self.note(group.slices.start + n / shape.queries, n % shape.queries, &row[stride - 4..]);
        }
        Ok(())
    }

    /// Takes in what a shader says of a row.
    fn note(&mut self, slice: usize, query: usize, said: &[f32]) {
        if let Some(total) = &mut self.entropy {
            *total += f64::from(said[1]);
        }
        let keys = self.plan.key_lengths[self.plan.shape.batch_of(slice)];
        if self.plan.support == SupportPlan::All {
            self.support_entries += if self.plan.causal { keys.min(query + 1) } else { keys } as u64;
        } else {
            // As numbers, for bits that mean small integers are numbers that a device may take for 0.
            self.support_entries += said[1] as u64;
            self.clusters += said[2] as u64;
        }
    }
}

/// Bytes that a slice takes in the largest buffer.
fn largest_bytes(plan: &Plan) -> u64 {
    tensor_bytes(plan).max(low_rank::bytes(plan)).max(support::bytes(plan))
}

/// An error for what the GPU does not do.
pub(super) fn supported(plan: &Plan) -> Result<()> {
    if Walk::of(plan).is_some() {
        return Ok(());
    }
    let what = match (&plan.support, plan.feature_map()) {
        (SupportPlan::All, _) => return Ok(()),
        (SupportPlan::Clusters { .. }, _) => "support.kind \"clusters\" with these features",
        (SupportPlan::TopK { .. }, _) => "support.kind \"top-k\"",
        (_, Some(FeaturePlan::Elu)) => "features.kind \"elu\"",
        (_, Some(FeaturePlan::Taylor { .. })) => "features.kind \"taylor\"",
        (_, Some(map)) if map.balance() => "features.balance",
        _ => return Ok(()),
    };
    Err(Error::unsupported(format!("{what} on the GPU"), "it is not there yet; use backend \"wasm\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::Run;
    use crate::gpu::block_on;
    use crate::options::{Method, Options};
    use crate::shape::Shape;

    /// More workgroups than a dispatch may have along one axis; and more rows than may walk down trees at the same time.
    #[test]
    fn work_is_cut_into_dispatches() {
        let gpu = block_on(Gpu::open()).unwrap();
        let shape = Shape { batch: 1, heads: 1, queries: 500, keys: 150, dim: 4, value_dim: 4, kv_heads: 1 };
        let numbers = |len: usize, step: f32| (0..len).map(|i| (i as f32 * step).sin()).collect();
        let inputs =
            Inputs { q: numbers(shape.q_len(), 0.7), k: numbers(shape.k_len(), 1.3), v: numbers(shape.v_len(), 2.1) };
        for method in [Method::Exact, Method::Scatterbrain] {
            let plan = || Plan::new(shape, &Options { method, ..Options::default() }).unwrap();
            let mut wanted = Run::new(plan(), inputs.clone()).unwrap();
            while !wanted.is_done() {
                wanted.step().unwrap();
            }
            let mut run = GpuRun::new(&gpu, plan(), inputs.clone()).unwrap();
            while !run.is_done() {
                block_on(run.step()).unwrap();
            }
            let (got, wanted) = (run.finish().0.data, wanted.finish().0.data);
            assert!(got.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{method}");
        }
    }
}
