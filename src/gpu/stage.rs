//! A group's work as a list of stages, and its submission piece by piece.

use std::rc::Rc;

use futures_channel::oneshot;
use web_time::Instant;

use crate::attention::{Clock, Task};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::buffers::{Mapped, Pooled, Use};
use crate::gpu::pipelines::Compiled;

/// Most workgroups of a dispatch along one axis, by WebGPU's default limits. In tests fewer, for a processor that plays a GPU takes a
/// minute for so many.
const WIDTH: u32 = if cfg!(test) { 3 } else { 65_535 };

/// Between the places that a uniform can be bound at.
const SLOT: usize = 256;

/// Dispatches of a submission.
const DISPATCHES: usize = 64;

/// How long a submission should take, in milliseconds: long enough that its overhead is lost in it, short enough that a page whose
/// compositor shares the device stays smooth.
const WANTED: std::ops::Range<f64> = 12.0..50.0;

/// One shader over all its workgroups.
pub(super) struct Stage {
    pub task: Task,
    pub compiled: Rc<Compiled>,
    pub buffers: wgpu::BindGroup,
    pub workgroups: u32,
    /// Most workgroups of a dispatch, which waits for what the one before it wrote.
    pub together: u32,
    /// Multiply-adds of a workgroup, or what takes as long.
    pub cost: f64,
    /// Whether workgroups may find that there is nothing to do. How long they took then says nothing of the device.
    pub may_idle: bool,
}

/// Stages and how far they have come.
#[derive(Default)]
pub(super) struct Stages {
    list: Vec<Stage>,
    /// The stage under way, and workgroups of it that were submitted.
    current: usize,
    submitted: u32,
    total: f64,
    done: f64,
}

/// How much to submit at a time, learnt from what took how long.
#[derive(Clone, Copy)]
pub(super) struct Pace(f64);

impl Default for Pace {
    fn default() -> Pace {
        // A hundredth of a second on a processor that plays a GPU.
        Pace(5e7)
    }
}

impl Pace {
    /// `sure` is the part of the work that was surely done.
    fn learn(&mut self, sure: f64, milliseconds: f64) {
        if milliseconds > WANTED.end {
            self.0 = (self.0 / 2.0).max(1e6);
        } else if milliseconds < WANTED.start && sure > 0.5 * self.0 {
            self.0 = (self.0 * 2.0).min(1e13);
        }
    }
}

impl Stages {
    pub fn push(&mut self, stage: Stage) -> &mut Stage {
        self.total += f64::from(stage.workgroups) * stage.cost;
        let at = self.list.len();
        self.list.push(stage);
        &mut self.list[at]
    }

    pub fn is_done(&self) -> bool {
        self.current == self.list.len()
    }

    pub fn fraction(&self) -> f64 {
        if self.total > 0.0 { self.done / self.total } else { 1.0 }
    }

    /// Submits what `pace` says is worth one submission.
    pub fn submit(&mut self, gpu: &Gpu, pace: Pace) -> Submission {
        let pieces = self.take(pace.0);
        let work = pieces.iter().map(|piece| piece.work).sum();
        let is_sure = |piece: &&Piece| !self.list[piece.stage].may_idle;
        let sure = pieces.iter().filter(is_sure).map(|piece| piece.work).sum();
        self.done += work;
        let device = gpu.device();
        let uniform = gpu.pool().take("dispatches", Use::Uniform, (DISPATCHES * SLOT) as u64);
        let mut slots = vec![0u32; pieces.len() * SLOT / 4];
        for (slot, piece) in slots.chunks_exact_mut(SLOT / 4).zip(&pieces) {
            slot[..2].copy_from_slice(&[piece.first, piece.end]);
        }
        gpu.queue().write_buffer(&uniform.buffer, 0, bytemuck::cast_slice(&slots));
        let dispatches = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("dispatches"),
            layout: gpu.pipelines().borrow_mut().dispatches(device),
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &uniform.buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(8),
                }),
            }],
        });
        let timestamps = gpu.has_timestamps().then(|| Timestamps::new(gpu, pieces.len()));
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("attention") });
        for (n, piece) in pieces.iter().enumerate() {
            let stage = &self.list[piece.stage];
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(stage.compiled.name()),
                timestamp_writes: timestamps.as_ref().map(|timestamps| timestamps.of_pass(n as u32)),
            });
            pass.set_pipeline(&stage.compiled.pipeline);
            pass.set_bind_group(0, &stage.buffers, &[]);
            pass.set_bind_group(1, &dispatches, &[(n * SLOT) as u32]);
            let count = piece.end - piece.first;
            pass.dispatch_workgroups(count.min(WIDTH), count.div_ceil(WIDTH), 1);
        }
        let tasks = pieces.iter().map(|piece| (self.list[piece.stage].task, piece.work)).collect();
        let mut times = None;
        if let Some(timestamps) = &timestamps {
            timestamps.resolve(&mut encoder);
            times = Some(&timestamps.read);
        }
        gpu.queue().submit([encoder.finish()]);
        let times = times.map(|read| read.map(pieces.len() as u64 * 16));
        Submission {
            start: Instant::now(),
            done: work_done(gpu),
            work,
            sure,
            tasks,
            timestamps,
            times,
            _uniform: uniform,
        }
    }

    /// The next pieces that together take about `budget`, at least one.
    fn take(&mut self, mut budget: f64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(stage) = self.list.get(self.current)
            && pieces.len() < DISPATCHES
            && (budget > 0.0 || pieces.is_empty())
        {
            let left = stage.workgroups - self.submitted;
            let most = (budget / stage.cost).ceil().clamp(1.0, f64::from(WIDTH) * f64::from(WIDTH));
            let count = (f64::from(left).min(most) as u32).min(stage.together);
            let work = f64::from(count) * stage.cost;
            if count > 0 {
                let (first, end) = (self.submitted, self.submitted + count);
                pieces.push(Piece { stage: self.current, first, end, work });
            }
            budget -= work;
            self.submitted += count;
            if self.submitted == stage.workgroups {
                (self.current, self.submitted) = (self.current + 1, 0);
            }
        }
        pieces
    }
}

struct Piece {
    stage: usize,
    first: u32,
    end: u32,
    work: f64,
}

/// What was handed to the device, and may not be done yet.
pub(super) struct Submission {
    start: Instant,
    done: oneshot::Receiver<()>,
    work: f64,
    /// Of the work what was surely done.
    sure: f64,
    tasks: Vec<(Task, f64)>,
    timestamps: Option<Timestamps>,
    times: Option<Mapped>,
    _uniform: Pooled,
}

impl Submission {
    /// Waits until the device has done it.
    pub async fn finish(self, gpu: &Gpu, pace: &mut Pace, clock: &mut Clock) -> Result<()> {
        gpu.wait();
        // Nobody answers for a device that is gone; the caller asks what became of it.
        let _ = self.done.await;
        let elapsed = self.start.elapsed().as_secs_f64() * 1e3;
        pace.learn(self.sure, elapsed);
        let mut measured = None;
        if let (Some(timestamps), Some(times)) = (&self.timestamps, self.times) {
            gpu.wait();
            if let Ok(Ok(())) = times.await {
                measured = timestamps.milliseconds(gpu, self.tasks.len());
            }
        }
        gpu.check()?;
        for (n, &(task, work)) in self.tasks.iter().enumerate() {
            clock.add(task, measured.as_ref().map_or(elapsed * work / self.work, |measured| measured[n]));
        }
        Ok(())
    }
}

/// When each pass of a submission began and ended.
struct Timestamps {
    set: wgpu::QuerySet,
    resolved: Pooled,
    read: Pooled,
    count: u32,
}

impl Timestamps {
    fn new(gpu: &Gpu, passes: usize) -> Timestamps {
        let count = 2 * passes as u32;
        let bytes = (2 * DISPATCHES * 8) as u64;
        Timestamps {
            set: gpu.query_set(2 * DISPATCHES as u32),
            resolved: gpu.pool().take("timestamps", Use::Resolve, bytes),
            read: gpu.pool().take("timestamps, read", Use::Read, bytes),
            count,
        }
    }

    fn of_pass(&self, pass: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(2 * pass),
            end_of_pass_write_index: Some(2 * pass + 1),
        }
    }

    fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..self.count, &self.resolved.buffer, 0);
        encoder.copy_buffer_to_buffer(&self.resolved.buffer, 0, &self.read.buffer, 0, u64::from(self.count) * 8);
    }

    /// Of each pass; `None` where the clock makes no sense, which browsers allow it to.
    fn milliseconds(&self, gpu: &Gpu, passes: usize) -> Option<Vec<f64>> {
        let bytes = self.read.copy_mapped(passes as u64 * 16).ok()?;
        let ticks: &[u64] = bytemuck::try_cast_slice(&bytes).ok()?;
        let period = f64::from(gpu.queue().get_timestamp_period()) / 1e6;
        let pair = |pair: &[u64]| Some(pair[1].checked_sub(pair[0])? as f64 * period);
        let times: Option<Vec<f64>> = ticks.chunks_exact(2).map(pair).collect();
        times.filter(|times| times.iter().any(|&time| time > 0.0))
    }
}

/// Ends when the device has done everything that was submitted.
pub(super) fn work_done(gpu: &Gpu) -> oneshot::Receiver<()> {
    let (send, receive) = oneshot::channel();
    gpu.queue().on_submitted_work_done(move || {
        // Whoever asked may have gone.
        let _ = send.send(());
    });
    receive
}
