//! The main module's job: attention and what looks at it.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::{Result, arrays, options, results, work};
use crate::analysis::{Decompose, Sweep};
use crate::error::Error;
use crate::{Inputs, Part, Plan, Run};

/// One call in progress.
#[wasm_bindgen]
pub struct Job(Work);

enum Work {
    Attention(Box<Run<Vec<f32>>>),
    Decompose(Box<Decompose<Vec<f32>>>),
    Sweep(Box<Sweep<Vec<f32>>>),
    Finished,
}

#[wasm_bindgen]
impl Job {
    /// Cuts an attention call into parts that take about the same work, `count` or fewer, after checking everything but
    /// the data. Each has seven numbers: its index for [`part`](Job::part), and where its `q` begins and ends, its `k` and
    /// its `v`. `q`, `k` and `v` are the lengths of the tensors.
    pub fn parts(q: usize, k: usize, v: usize, options: &JsValue, count: usize) -> Result<JsValue> {
        let plan = plan(options)?;
        plan.check_lengths([q, k, v], &plan.whole())?;
        let mut numbers = Vec::new();
        for index in 0..count {
            let Some(Part { q, k, v, .. }) = plan.part(index, count) else { continue };
            numbers.extend([index, q.start, q.end, k.start, k.end, v.start, v.end].map(|x| x as f64));
        }
        arrays::to_doubles("parts", numbers)
    }

    /// Starts part `index` of `count` of an attention call, on its own ranges of the tensors: 0 of 1 is the whole call.
    /// `options` are the call's options without the tensors.
    pub fn part(
        q: &Float32Array,
        k: &Float32Array,
        v: &Float32Array,
        options: &JsValue,
        index: usize,
        count: usize,
    ) -> Result<Job> {
        let plan = plan(options)?;
        Ok(Job(Work::Attention(Box::new(Run::part(plan, index, count, inputs(q, k, v)?)?))))
    }

    /// Starts the dense decomposition of one head: of its rows from `start` to before `end`, as far as there are any.
    pub fn decompose(
        q: &Float32Array,
        k: &Float32Array,
        v: &Float32Array,
        options: &JsValue,
        start: usize,
        end: usize,
    ) -> Result<Job> {
        let plan = plan(options)?;
        Ok(Job(Work::Decompose(Box::new(Decompose::new(plan, inputs(q, k, v)?, start..end)?))))
    }

    /// Starts a sweep over temperatures and methods.
    pub fn sweep(q: &Float32Array, k: &Float32Array, v: &Float32Array, options: &JsValue) -> Result<Job> {
        let (shape, options, options::Axes { temperatures, methods }) = options::sweep(options)?;
        let inputs = inputs(q, k, v)?;
        Ok(Job(Work::Sweep(Box::new(Sweep::new(shape, &options, &temperatures, &methods, inputs)?))))
    }

    /// Works for about so many milliseconds, at least one unit of work; returns the share that is done, which is 1
    /// only at the end.
    pub fn step(&mut self, milliseconds: f64) -> Result<f64> {
        work::step(&mut self.0, milliseconds)
    }

    /// Does what is left and hands over the result, once.
    pub fn finish(&mut self) -> Result<JsValue> {
        self.step(f64::INFINITY)?;
        match std::mem::replace(&mut self.0, Work::Finished) {
            Work::Attention(run) => results::attention(run.finish()),
            Work::Decompose(run) => results::decomposition(run.finish()),
            Work::Sweep(run) => Ok(results::curve(&run.finish())),
            Work::Finished => Err(Error::unsupported("a second finish()", "the result was handed over already"))?,
        }
    }
}

impl work::Work for Work {
    fn step(&mut self) -> crate::Result<()> {
        match self {
            Work::Attention(run) => run.step(),
            Work::Decompose(run) => run.step(),
            Work::Sweep(run) => run.step(),
            Work::Finished => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Work::Attention(run) => run.is_done(),
            Work::Decompose(run) => run.is_done(),
            Work::Sweep(run) => run.is_done(),
            Work::Finished => true,
        }
    }

    fn fraction(&self) -> f64 {
        match self {
            Work::Attention(run) => run.fraction(),
            Work::Decompose(run) => run.fraction(),
            Work::Sweep(run) => run.fraction(),
            Work::Finished => 1.0,
        }
    }
}

#[inline(never)]
fn plan(options: &JsValue) -> Result<Plan> {
    let (shape, options) = options::call(options)?;
    Ok(Plan::new(shape, &options)?)
}

fn inputs(q: &Float32Array, k: &Float32Array, v: &Float32Array) -> Result<Inputs<Vec<f32>>> {
    Ok(Inputs { q: arrays::floats("q", q)?, k: arrays::floats("k", k)?, v: arrays::floats("v", v)? })
}
