//! The matrix that attention multiplies the values with, for analyses that need all of it.

use crate::attention::{Exact, Inputs};
use crate::error::{Error, Result};
use crate::memory;
use crate::options::{Method, Options};
use crate::plan::Plan;
use crate::shape::{Shape, TensorView};
use crate::simd::{LANES, exp_from};

/// The attention matrix of one head, `[queries, keys]`, row-major: the softmax of its logits. Rows sum to 1; what a
/// causal mask or padding hides is 0, and a row that sees nothing is 0 throughout.
///
/// `q` is `[1, 1, queries, dim]`, `k` is `[1, 1, keys, dim]`. Scale, temperature, the causal mask and key lengths are those
/// of `options`; estimators, their parts and the budget are not looked at. O(queries · keys · dim).
///
/// # Errors
/// Those of [`attention`](crate::attention()), and [`Error::InvalidShape`] unless there is one sequence with one head.
pub fn attention_matrix(q: TensorView, k: TensorView, options: &Options) -> Result<Vec<f32>> {
    let [batch, heads, queries, dim] = q.shape;
    let [_, kv_heads, keys, _] = k.shape;
    let shape = Shape { batch, heads, queries, keys, dim, value_dim: 1, kv_heads };
    shape.check()?;
    shape.check_one_head()?;
    // No values are looked at, but a head has some.
    let values = memory::filled("values", keys, 0.0)?;
    let v = TensorView::head(&values, keys, 1);
    Shape::of(q, k, v)?;
    let plan = Plan::new(
        shape,
        &Options {
            method: Method::Exact,
            temperature: options.temperature,
            scale: options.scale,
            causal: options.causal,
            key_lengths: options.key_lengths.clone(),
            ..Options::default()
        },
    )?;
    let inputs = Inputs { q: q.data, k: k.data, v: v.data };
    inputs.check(&plan)?;
    let what = "the attention matrix";
    let entries = queries
        .checked_mul(keys)
        .ok_or(Error::OutOfMemory { what, bytes: queries as u64 * keys as u64 * size_of::<f32>() as u64 })?;
    let mut matrix = memory::filled(what, entries, 0.0)?;
    let head = inputs.head(&plan, 0)?;
    if head.keys == 0 {
        return Ok(matrix);
    }
    let exact = Exact::new(&head)?;
    let mut logits = memory::filled("logits", LANES * head.keys, 0.0)?;
    for (block, rows) in matrix.chunks_mut(LANES * keys).enumerate() {
        let first = block * LANES;
        exact.logits(&head, first..head.queries.min(first + LANES), &mut logits);
        for (lane, row) in rows.chunks_exact_mut(keys).enumerate() {
            let visible = head.visible(first + lane);
            softmax(&logits[lane * head.keys..][..visible], &mut row[..visible]);
        }
    }
    Ok(matrix)
}

fn softmax(logits: &[f32], out: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    exp_from(logits, largest, out);
    let sum: f64 = out.iter().map(|&x| f64::from(x)).sum();
    out.iter_mut().for_each(|x| *x = (f64::from(*x) / sum) as f32);
}
