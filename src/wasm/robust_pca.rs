//! The job of the module that is fetched for robust PCA.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::Result;
use super::arrays::{floats, to_doubles, to_floats};
use super::fields::Fields;
use super::record::Record;
use super::sizes::{key_lengths, shape};
use super::work::{Work, step};
use crate::analysis::{MAX_ITERATIONS, RobustPca, RobustPcaOptions, RobustPcaResult, attention_matrix};
use crate::error::Error;
use crate::{Options, TensorView};

/// One decomposition in progress.
#[wasm_bindgen]
pub struct RobustPcaJob(Option<Box<RobustPca>>);

#[wasm_bindgen]
impl RobustPcaJob {
    /// Starts on a matrix `[rows, columns]`, row-major. `options` are the call's, without what is given apart.
    pub fn matrix(matrix: &Float32Array, rows: usize, columns: usize, options: &JsValue) -> Result<RobustPcaJob> {
        let mut fields = Fields::new("", options.clone());
        let options = parts(&mut fields)?;
        fields.done()?;
        RobustPcaJob::new(&floats("matrix", matrix)?, rows, columns, &options)
    }

    /// Starts on the attention matrix of one head. `options` are the call's, without the tensors.
    pub fn head(q: &Float32Array, k: &Float32Array, options: &JsValue) -> Result<RobustPcaJob> {
        let mut fields = Fields::new("", options.clone());
        let parts = parts(&mut fields)?;
        let shape = shape(fields.field("shape")?.fields("shape.")?)?;
        let mut head = Options {
            scale: fields.number("scale")?,
            causal: fields.flag("causal")?,
            key_lengths: fields.optional("keyLengths")?.map(key_lengths).transpose()?,
            ..Options::default()
        };
        if let Some(temperature) = fields.number("temperature")? {
            head.temperature = temperature;
        }
        fields.done()?;
        let (q, k) = (floats("q", q)?, floats("k", k)?);
        let q = TensorView::new(&q, [shape.batch, shape.heads, shape.queries, shape.dim]);
        let k = TensorView::new(&k, [shape.batch, shape.kv_heads, shape.keys, shape.dim]);
        let matrix = attention_matrix(q, k, &head)?;
        RobustPcaJob::new(&matrix, shape.queries, shape.keys, &parts)
    }

    /// Works for about so many milliseconds, at least one unit of work; returns the share that is done, which is 1
    /// only at the end.
    pub fn step(&mut self, milliseconds: f64) -> Result<f64> {
        match &mut self.0 {
            Some(work) => step(work.as_mut(), milliseconds),
            None => Ok(1.0),
        }
    }

    /// Does what is left and hands over the result, once.
    pub fn finish(&mut self) -> Result<JsValue> {
        self.step(f64::INFINITY)?;
        match self.0.take() {
            Some(work) => result(work.finish()?),
            None => Err(Error::unsupported("a second finish()", "the result was handed over already"))?,
        }
    }
}

impl RobustPcaJob {
    fn new(matrix: &[f32], rows: usize, columns: usize, options: &RobustPcaOptions) -> Result<RobustPcaJob> {
        Ok(RobustPcaJob(Some(Box::new(RobustPca::new(matrix, rows, columns, options)?))))
    }
}

impl Work for RobustPca {
    fn step(&mut self) -> crate::Result<()> {
        RobustPca::step(self)
    }

    fn is_done(&self) -> bool {
        RobustPca::is_done(self)
    }

    fn fraction(&self) -> f64 {
        RobustPca::fraction(self)
    }
}

fn parts(fields: &mut Fields) -> Result<RobustPcaOptions> {
    let default = RobustPcaOptions::default();
    let max_iterations = fields.size("maxIterations", MAX_ITERATIONS)?;
    Ok(RobustPcaOptions {
        lambda: fields.number("lambda")?,
        tolerance: fields.number("tolerance")?.unwrap_or(default.tolerance),
        max_iterations: max_iterations.unwrap_or(default.max_iterations),
    })
}

fn result(parts: RobustPcaResult) -> Result<JsValue> {
    let stats = Record::new();
    stats.put_text("backend", "wasm");
    stats.put_text("instructionSet", crate::instruction_set());
    stats.put_number("milliseconds", parts.milliseconds);
    stats.put_number("peakBytes", parts.peak_bytes as f64);
    let result = Record::new();
    result.put("lowRank", &to_floats("lowRank", parts.low_rank)?);
    result.put("sparse", &to_floats("sparse", parts.sparse)?);
    result.put_number("rows", parts.rows as f64);
    result.put_number("columns", parts.columns as f64);
    result.put_number("rank", parts.rank as f64);
    result.put_number("nonzeros", parts.nonzeros as f64);
    result.put_number("residual", parts.residual);
    result.put_number("iterations", parts.iterations as f64);
    result.put("converged", &parts.converged.into());
    result.put("singularValues", &to_doubles("singularValues", parts.singular_values)?);
    result.put("stats", &stats);
    Ok(result.into())
}
