//! From the core's results to plain JavaScript objects.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::Result;
use super::arrays::{to_bytes, to_doubles, to_floats};
use super::record::Record;
use crate::analysis::{Decomposition, SweepPoint};
use crate::{Stats, Tensor};

/// What the module computes with.
const BACKEND: &str = if cfg!(feature = "wasm-webgpu") { "webgpu" } else { "wasm" };

pub(super) fn attention((output, run): (Tensor, Stats)) -> Result<JsValue> {
    let result = Record::new();
    result.put("output", &to_floats("output", output.data)?);
    result.put("stats", &stats(&run));
    result.put_number("clusters", run.clusters as f64);
    Ok(result.into())
}

pub(super) fn decomposition(view: Decomposition) -> Result<JsValue> {
    let result = Record::new();
    result.put_number("queries", view.queries as f64);
    result.put_number("keys", view.keys as f64);
    result.put("exact", &to_floats("exact", view.exact)?);
    result.put("lowRank", &to_floats("lowRank", view.low_rank)?);
    result.put("sparse", &to_floats("sparse", view.sparse)?);
    result.put("approximation", &to_floats("approximation", view.approximation)?);
    result.put("support", &to_bytes("support", view.support)?);
    result.put("logNormalizer", &to_doubles("logNormalizer", view.log_normalizer)?);
    result.put("exactLogNormalizer", &to_doubles("exactLogNormalizer", view.exact_log_normalizer)?);
    result.put_number("entropy", view.entropy);
    result.put_number("relativeError", view.relative_error);
    result.put("stats", &stats(&view.stats));
    Ok(result.into())
}

pub(super) fn curve(points: &[SweepPoint]) -> JsValue {
    let curve = Array::new();
    for point in points {
        let errors = Record::new();
        for (method, error) in &point.errors {
            errors.put_number(&method.to_string(), *error);
        }
        let result = Record::new();
        result.put_number("temperature", point.temperature);
        result.put_number("entropy", point.entropy);
        result.put("errors", &errors);
        curve.push(&result);
    }
    curve.into()
}

fn stats(stats: &Stats) -> JsValue {
    let phases = Record::new();
    for phase in &stats.phases {
        phases.put_number(phase.name, phase.milliseconds);
    }
    let result = Record::new();
    result.put_text("backend", BACKEND);
    result.put_text("instructionSet", stats.instruction_set);
    result.put_text("method", &stats.method.to_string());
    result.put_number("milliseconds", stats.milliseconds);
    // A double holds every byte count up to 8 PiB.
    result.put_number("peakBytes", stats.peak_bytes as f64);
    result.put_number("supportEntries", stats.support_entries as f64);
    result.put_number("features", stats.features as f64);
    result.put_number("workers", 1.0);
    result.put("phases", &phases);
    result.into()
}
