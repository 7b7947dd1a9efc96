//! A small computation whose result is known: drivers can be wrong without saying so.

use crate::attention::Inputs;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuRun};
use crate::options::{Method, Options};
use crate::plan::Plan;
use crate::shape::Shape;

/// No side is a multiple of a tile's, and there is more than one of each.
const SHAPE: Shape = Shape { batch: 1, heads: 2, queries: 67, keys: 67, dim: 20, value_dim: 12, kv_heads: 1 };

/// What an element may be off by. Values are at most 1.
const TOLERANCE: f32 = 1e-4;

/// Compares a causal call on the device with its definition. (Not with the processor's kernels, which would make the module that a page
/// fetches a quarter larger.)
pub(super) async fn check(gpu: &Gpu) -> Result<()> {
    let number = |i: usize| (((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32) - 1.0;
    let tensor = |from: usize, len: usize| -> Vec<f32> { (from..from + len).map(number).collect() };
    let inputs =
        Inputs { q: tensor(0, SHAPE.q_len()), k: tensor(7919, SHAPE.k_len()), v: tensor(104_729, SHAPE.v_len()) };
    let options = Options { method: Method::Exact, causal: true, scale: Some(1.0), ..Options::default() };
    let wanted = attention(&inputs);
    let mut run = GpuRun::new(gpu, Plan::new(SHAPE, &options)?, inputs)?;
    while !run.is_done() {
        run.step().await?;
    }
    let got = run.finish().0.data;
    let off =
        got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, |most: f32, x| if x <= most { most } else { x });
    if off <= TOLERANCE {
        Ok(())
    } else {
        Err(Error::no_device("the adapter computes wrongly", format!("{}, by {off}", gpu.adapter())))
    }
}

/// Causal softmax attention as it is written.
fn attention(inputs: &Inputs<Vec<f32>>) -> Vec<f32> {
    let Shape { heads, queries, dim, value_dim, .. } = SHAPE;
    let mut out = Vec::with_capacity(heads * queries * value_dim);
    for (row, query) in inputs.q.chunks_exact(dim).enumerate() {
        let keys = inputs.k.chunks_exact(dim).take(row % queries + 1);
        let dot = |key: &[f32]| query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let weights: Vec<f64> = keys.map(|key| dot(key).exp()).collect();
        let total: f64 = weights.iter().sum();
        out.extend((0..value_dim).map(|column| {
            let values = inputs.v.chunks_exact(value_dim).zip(&weights);
            (values.map(|(value, weight)| f64::from(value[column]) * weight).sum::<f64>() / total) as f32
        }));
    }
    out
}
