//! Estimators over temperatures, on a GPU.

use std::mem::take;

use crate::analysis::{Course, SweepPoint};
use crate::attention::Inputs;
use crate::error::Result;
use crate::gpu::run::supported;
use crate::gpu::{Gpu, GpuRun};
use crate::options::{Method, Options};
use crate::shape::Shape;

/// A [`Sweep`](crate::analysis::Sweep) on a GPU. Call [`step`](GpuSweep::step) until [`is_done`](GpuSweep::is_done), then
/// [`finish`](GpuSweep::finish).
pub struct GpuSweep {
    gpu: Gpu,
    course: Course,
    /// Empty while a run has them.
    inputs: Inputs<Vec<f32>>,
    run: Option<GpuRun>,
}

impl GpuSweep {
    /// Checks everything.
    ///
    /// # Errors
    /// Those of [`sweep`](crate::analysis::sweep()), and those of [`GpuRun::new`] if any of the methods has one.
    pub fn new(
        gpu: &Gpu,
        shape: Shape,
        options: &Options,
        temperatures: &[f64],
        methods: &[Method],
        inputs: Inputs<Vec<f32>>,
    ) -> Result<GpuSweep> {
        let course = Course::new(shape, options, temperatures, methods, |run, plan| {
            if run == 0 {
                inputs.check(plan)?;
            }
            supported(plan)
        })?;
        Ok(GpuSweep { gpu: gpu.clone(), course, inputs, run: None })
    }

    /// Whether every method has run at every temperature.
    pub fn is_done(&self) -> bool {
        self.course.is_done()
    }

    /// Share of the work done, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        self.course.fraction(self.run.as_ref().map_or(0.0, GpuRun::fraction))
    }

    /// Does one piece of work of one method. Does nothing when done.
    ///
    /// # Errors
    /// Those of [`GpuRun::step`], after which the sweep cannot go on.
    pub async fn step(&mut self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let mut run = match self.run.take() {
            Some(run) => run,
            None => {
                let plan = self.course.plan()?;
                let Inputs { q, k, v } = &mut self.inputs;
                let inputs = Inputs { q: take(q), k: take(k), v: take(v) };
                match self.course.is_exact() {
                    true => GpuRun::with_entropy(&self.gpu, plan, inputs)?,
                    false => GpuRun::new(&self.gpu, plan, inputs)?,
                }
            }
        };
        run.step().await?;
        if run.is_done() {
            let entropy = run.mean_entropy();
            let (output, inputs) = run.into_output();
            self.inputs = inputs;
            self.course.record(entropy, output);
        } else {
            self.run = Some(run);
        }
        Ok(())
    }

    /// One point per temperature, in the order asked for.
    pub fn finish(self) -> Vec<SweepPoint> {
        self.course.finish()
    }
}
