//! One (batch, head) with the logit scale folded in.

use crate::error::Result;
use crate::memory;
use crate::plan::Plan;
use crate::simd::{Panels, scale_columns};

/// Elements of scaled queries and keys saturate here: their inner product then stays finite in f32 for
/// every head dimension.
const QK_LIMIT: f64 = 1e17;

/// Elements of values saturate here: a sum over 2³⁰ keys then stays finite in f32.
pub(crate) const V_LIMIT: f32 = 1e29;

/// The data of one (batch, head), padding keys cut off.
pub(crate) struct Head {
    /// `b q`, row-major `[queries, dim]`, b = scale / temperature: logits are inner products with `k`.
    pub q: Vec<f32>,
    /// Row-major `[keys, dim]`.
    pub k: Vec<f32>,
    /// Values, `[keys, value_dim]`.
    pub v: Panels,
    pub queries: usize,
    /// Unmasked keys.
    pub keys: usize,
    pub dim: usize,
    pub value_dim: usize,
    pub causal: bool,
    /// Index of the (batch, head): batch · heads + head.
    pub slice: usize,
}

impl Head {
    /// `q` and `k` are those of the slice, padding included. There are no values yet.
    pub fn new(plan: &Plan, slice: usize, q: &[f32], k: &[f32]) -> Result<Head> {
        let shape = plan.shape;
        let keys = plan.key_lengths[shape.batch_of(slice)];
        let k = &k[..keys * shape.dim];
        let scaled = |what, tokens: &[f32], factor: f64| -> Result<Vec<f32>> {
            let mut out = memory::with_capacity(what, tokens.len())?;
            out.extend_from_slice(tokens);
            let mut rest = &mut out[..];
            // Most are: 1 / sqrt(64) is a power of two.
            if f64::from(factor as f32) == factor {
                let (rows, last) = rest.as_chunks_mut();
                scale_columns(rows, factor as f32, QK_LIMIT as f32);
                rest = last;
            }
            rest.iter_mut().for_each(|x| *x = saturate(f64::from(*x) * factor, QK_LIMIT));
            Ok(out)
        };
        Ok(Head {
            q: scaled("scaled queries", q, plan.logit_scale)?,
            k: scaled("keys", k, 1.0)?,
            v: Panels::default(),
            queries: shape.queries,
            keys,
            dim: shape.dim,
            value_dim: shape.value_dim,
            causal: plan.causal,
            slice,
        })
    }

    /// `v` is that of the slice, padding included.
    pub fn set_values(&mut self, v: &[f32]) -> Result<()> {
        self.v = Panels::from_rows("values", &v[..self.keys * self.value_dim], self.keys, self.value_dim)?;
        self.v.clamp(V_LIMIT);
        Ok(())
    }

    /// How many keys query `query` may see; these are the first ones.
    pub fn visible(&self, query: usize) -> usize {
        if self.causal { self.keys.min(query + 1) } else { self.keys }
    }

    /// The scaled query.
    pub fn query(&self, query: usize) -> &[f32] {
        &self.q[query * self.dim..(query + 1) * self.dim]
    }

    /// The key, as it was given.
    pub fn key(&self, key: usize) -> &[f32] {
        &self.k[key * self.dim..(key + 1) * self.dim]
    }

    /// Scratch bytes of this part of a plan.
    pub fn bytes(plan: &Plan) -> u64 {
        let shape = plan.shape;
        ((shape.queries + shape.keys) * shape.dim * size_of::<f32>()) as u64
            + Panels::bytes(shape.keys, shape.value_dim)
    }
}

/// `x` held within `limit` of zero. A product that overflows f32 saturates too.
pub(crate) fn saturate(x: f64, limit: f64) -> f32 {
    // Not `clamp`, which can panic as far as the compiler sees, and brings the formatting of numbers with it.
    (if x > limit {
        limit
    } else if x < -limit {
        -limit
    } else {
        x
    }) as f32
}
