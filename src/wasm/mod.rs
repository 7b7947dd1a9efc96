//! The JavaScript binding: validates, calls the core, hands typed arrays back. The TypeScript package in `pkg/`
//! drives it: a [`Job`] is stepped for some milliseconds at a time, so that the event loop is never blocked for
//! long and a call can be cancelled.

mod arrays;
mod fields;
mod options;
mod results;

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;
use web_time::{Duration, Instant};

use crate::analysis::{Decompose, Sweep};
use crate::error::Error;
use crate::{Inputs, Plan, Run};

/// What goes wrong here becomes a JavaScript `Error` at once: it is one word to carry around, where the core's
/// error is ten.
type Result<T> = std::result::Result<T, JsValue>;

/// Smaller than the standard library's; like it, it grows the memory, reuses what is freed and reports what it
/// cannot get.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Runs once, when the module is instantiated.
#[cfg(debug_assertions)]
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// The vector instructions this module was compiled with.
#[wasm_bindgen(js_name = instructionSet)]
pub fn instruction_set() -> String {
    crate::instruction_set().into()
}

/// Makes the next call into the module run on a fresh instance with fresh memory. For use after a trap, whose
/// unwinding skips every destructor, and to give memory back, which WebAssembly otherwise never does. Jobs that
/// exist by then are lost.
#[wasm_bindgen]
pub fn restart() {
    wasm_bindgen::handler::schedule_reinit();
}

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
    /// Starts one attention call. `options` are the call's options without the tensors.
    pub fn attention(q: &Float32Array, k: &Float32Array, v: &Float32Array, options: &JsValue) -> Result<Job> {
        let (shape, options) = options::call(options)?;
        let plan = Plan::new(shape, &options)?;
        Ok(Job(Work::Attention(Box::new(Run::new(plan, inputs(q, k, v)?)?))))
    }

    /// Starts the dense decomposition of one head.
    pub fn decompose(q: &Float32Array, k: &Float32Array, v: &Float32Array, options: &JsValue) -> Result<Job> {
        let (shape, options) = options::call(options)?;
        let plan = Plan::new(shape, &options)?;
        Ok(Job(Work::Decompose(Box::new(Decompose::new(plan, inputs(q, k, v)?)?))))
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
        let limit = Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or(Duration::MAX);
        let start = Instant::now();
        while !self.0.is_done() {
            self.0.step()?;
            if start.elapsed() >= limit {
                break;
            }
        }
        Ok(if self.0.is_done() { 1.0 } else { self.0.fraction().min(1.0 - f64::EPSILON) })
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

impl Work {
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

fn inputs(q: &Float32Array, k: &Float32Array, v: &Float32Array) -> Result<Inputs<Vec<f32>>> {
    Ok(Inputs { q: arrays::floats("q", q)?, k: arrays::floats("k", k)?, v: arrays::floats("v", v)? })
}

impl From<Error> for JsValue {
    /// A real `Error`, with the code as a property.
    #[cold]
    fn from(error: Error) -> JsValue {
        results::error(error.code(), &error.to_string())
    }
}
