//! Some heads on the device: their tensors, and the stages that make their output.

use std::ops::Range;

use bytemuck::Zeroable;

use crate::attention::{Clock, Head, Inputs, Task, V_LIMIT};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::buffers::{Pooled, Use};
use crate::gpu::pipelines::Kernel;
use crate::gpu::stage::{Stage, Stages};
use crate::memory;
use crate::plan::Plan;

/// Rows of the table in [`Params`].
const SLICES: usize = 64;

/// Bytes of a vector.
pub(super) const VECTOR: u64 = 16;

/// As `shaders/common.wgsl` has it, which says what each is.
#[repr(C)]
#[derive(Clone, Copy, Zeroable, bytemuck::Pod)]
pub(super) struct Params {
    pub slices: u32,
    pub queries: u32,
    pub keys: u32,
    pub dim: u32,
    pub values: u32,
    pub features: u32,
    pub feature_vectors: u32,
    pub chunk: u32,
    pub lag: u32,
    pub rounds: u32,
    pub latest: u32,
    pub size: u32,
    pub extra: [u32; 4],
    pub table: [[u32; 4]; SLICES],
}

/// Some heads under way.
pub(super) struct Group {
    /// Which, counted over all sequences.
    pub slices: Range<usize>,
    pub stages: Stages,
    /// `[slices, queries, values + 1]` vectors: each row's output, then what a shader has to say of it.
    pub output: wgpu::Buffer,
    _buffers: Vec<Pooled>,
}

/// A group being put together.
pub(super) struct Builder<'a> {
    pub gpu: &'a Gpu,
    pub plan: &'a Plan,
    pub slices: Range<usize>,
    pub params: Params,
    /// `[slices, queries, dim]`, scaled.
    pub q: wgpu::Buffer,
    /// `[kv heads, keys, dim]`.
    pub k: wgpu::Buffer,
    /// `[kv heads, keys, values]`.
    pub v: wgpu::Buffer,
    pub output: wgpu::Buffer,
    uniform: wgpu::Buffer,
    stages: Stages,
    buffers: Vec<Pooled>,
}

/// How many slices from `first` on can be worked on together, if one takes `bytes` of the largest buffer.
pub(super) fn slices_together(gpu: &Gpu, plan: &Plan, first: usize, bytes: u64) -> Result<Range<usize>> {
    let limit = gpu.buffer_limit();
    if bytes > limit {
        return Err(Error::unsupported(
            "a head of this size on the GPU",
            format!("it needs a buffer of {bytes} bytes where the device allows {limit}; use backend \"wasm\""),
        ));
    }
    let count = (limit / bytes.max(1)).clamp(1, SLICES as u64) as usize;
    Ok(first..plan.shape.slices().min(first + count))
}

/// Bytes that the tensors of a slice take in the largest buffer.
pub(super) fn tensor_bytes(plan: &Plan) -> u64 {
    let shape = plan.shape;
    let (dim, values) = (vectors(shape.dim), vectors(shape.value_dim));
    let rows = [(shape.queries, dim), (shape.keys, dim), (shape.keys, values), (shape.queries, values + 1)];
    rows.into_iter().map(|(rows, vectors)| rows as u64 * u64::from(vectors) * VECTOR).max().unwrap_or(0)
}

impl<'a> Builder<'a> {
    /// Uploads the tensors of `slices`; `each` sees the heads as they pass by.
    pub fn new(
        gpu: &'a Gpu,
        plan: &'a Plan,
        inputs: &Inputs<Vec<f32>>,
        slices: Range<usize>,
        clock: &mut Clock,
        mut each: impl FnMut(&Head) -> Result<()>,
    ) -> Result<Builder<'a>> {
        let shape = plan.shape;
        let mut params = Params {
            slices: slices.len() as u32,
            queries: shape.queries as u32,
            keys: shape.keys as u32,
            dim: vectors(shape.dim),
            values: vectors(shape.value_dim),
            ..Params::zeroed()
        };
        let first_kv = shape.kv_slice(slices.start);
        let kv_heads = shape.kv_slice(slices.end - 1) - first_kv + 1;
        let mut buffers = Vec::new();
        let mut storage = |label, rows: usize, vectors: u32| {
            let pooled = gpu.pool().take(label, Use::Storage, rows as u64 * u64::from(vectors) * VECTOR);
            let buffer = pooled.buffer.clone();
            buffers.push(pooled);
            buffer
        };
        let q = storage("queries", slices.len() * shape.queries, params.dim);
        let k = storage("keys", kv_heads * shape.keys, params.dim);
        let v = storage("values", kv_heads * shape.keys, params.values);
        let output = storage("output", slices.len() * shape.queries, params.values + 1);
        let mut padded = Vec::new();
        let mut uploaded = None;
        for (n, slice) in slices.clone().enumerate() {
            let kv = shape.kv_slice(slice) - first_kv;
            let head = inputs.head_without_values(plan, slice)?;
            params.table[n] = [head.keys as u32, kv as u32, 0, 0];
            upload(gpu, &q, n * shape.queries, &head.q, shape.dim, &mut padded, |x| x)?;
            // Sequences of a batch differ in length, and heads that share keys are of one sequence.
            if uploaded.replace(kv) != Some(kv) {
                upload(gpu, &k, kv * shape.keys, &head.k, shape.dim, &mut padded, |x| x)?;
                let values = &inputs.v[shape.v_range(slice)][..head.keys * shape.value_dim];
                let clamp = |x: f32| x.clamp(-V_LIMIT, V_LIMIT);
                upload(gpu, &v, kv * shape.keys, values, shape.value_dim, &mut padded, clamp)?;
            }
            clock.lap(Task::Prepare);
            each(&head)?;
        }
        let pooled = gpu.pool().take("sizes", Use::Uniform, size_of::<Params>() as u64);
        let uniform = pooled.buffer.clone();
        buffers.push(pooled);
        Ok(Builder { gpu, plan, slices, params, q, k, v, output, uniform, stages: Stages::default(), buffers })
    }

    /// A buffer for what stages leave each other.
    pub fn storage(&mut self, label: &'static str, bytes: u64) -> Result<wgpu::Buffer> {
        let limit = self.gpu.buffer_limit();
        if bytes > limit {
            return Err(Error::unsupported(
                "a call of this size on the GPU",
                format!("{label} take {bytes} bytes where the device allows {limit} a buffer; use backend \"wasm\""),
            ));
        }
        let pooled = self.gpu.pool().take(label, Use::Storage, bytes);
        let buffer = pooled.buffer.clone();
        self.buffers.push(pooled);
        Ok(buffer)
    }

    /// A buffer with `data` in it.
    pub fn upload<T: bytemuck::Pod>(&mut self, label: &'static str, data: &[T]) -> Result<wgpu::Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let buffer = self.storage(label, bytes.len() as u64)?;
        self.gpu.queue().write_buffer(&buffer, 0, bytes);
        Ok(buffer)
    }

    /// Adds `kernel` over so many workgroups, each of which costs about so many multiply-adds.
    pub fn stage(
        &mut self,
        task: Task,
        kernel: Kernel,
        buffers: &[&wgpu::Buffer],
        workgroups: u64,
        cost: f64,
    ) -> Result<&mut Stage> {
        let Ok(workgroups) = u32::try_from(workgroups) else {
            return Err(Error::unsupported(
                "a call of this size on the GPU",
                "it has more than 2^32 workgroups; use backend \"wasm\"",
            ));
        };
        let device = self.gpu.device();
        let compiled = self.gpu.pipelines().borrow_mut().get(device, kernel);
        let entries: Vec<_> = (0..)
            .zip(std::iter::once(&self.uniform).chain(buffers.iter().copied()))
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let label = Some(kernel.name);
        let buffers =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout: &compiled.layout, entries: &entries });
        let stage = Stage { task, compiled, buffers, workgroups, together: u32::MAX, cost, may_idle: false };
        Ok(self.stages.push(stage))
    }

    pub fn finish(self) -> Group {
        self.gpu.queue().write_buffer(&self.uniform, 0, bytemuck::bytes_of(&self.params));
        Group { slices: self.slices, stages: self.stages, output: self.output, _buffers: self.buffers }
    }
}

/// Vectors that so many numbers take.
pub(super) fn vectors(len: usize) -> u32 {
    len.div_ceil(4) as u32
}

/// Writes rows of `dim` numbers, padded to whole vectors, from row `first` of a buffer on.
pub(super) fn upload(
    gpu: &Gpu,
    buffer: &wgpu::Buffer,
    first: usize,
    rows: &[f32],
    dim: usize,
    padded: &mut Vec<f32>,
    map: impl Fn(f32) -> f32,
) -> Result<()> {
    let stride = 4 * vectors(dim) as usize;
    let count = rows.len() / dim;
    if padded.len() < count * stride {
        *padded = memory::zeros("tensors on their way to the GPU", count * stride)?;
    }
    for (out, row) in padded.chunks_exact_mut(stride).zip(rows.chunks_exact(dim)) {
        out[..dim].iter_mut().zip(row).for_each(|(out, &x)| *out = map(x));
        out[dim..].fill(0.0);
    }
    gpu.queue().write_buffer(
        buffer,
        (first * stride * size_of::<f32>()) as u64,
        bytemuck::cast_slice(&padded[..count * stride]),
    );
    Ok(())
}
