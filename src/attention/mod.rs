//! The estimators: support x feature map, and the streamed exact one.

mod blocks;
mod clock;
mod clustered;
mod exact;
mod head;
mod low_rank;
mod part;
mod prefix;
mod rows;
mod run;

pub use clock::Phase;
pub(crate) use clock::{Clock, Task};
pub(crate) use clustered::{Clustered, ClusteredRow};
pub(crate) use exact::{BLOCK, Exact, RowStats};
pub(crate) use head::{Head, saturate};
pub(crate) use low_rank::{LowRank, LowRankRow};
pub use part::Part;
pub(crate) use rows::{Rest, RowResult, Scratch};
pub(crate) use run::Engine;
pub use run::{Inputs, Run, Stats};

use crate::error::Result;
use crate::options::Options;
use crate::plan::Plan;
use crate::shape::{Shape, Tensor, TensorView};

/// Attention of `q` `[batch, heads, queries, dim]` over `k` `[batch, kv_heads, keys, dim]` and `v` `[batch, kv_heads,
/// keys, value_dim]`: `[batch, heads, queries, value_dim]`.
///
/// ```
/// use scatterbrain::{attention, Options, TensorView};
///
/// let (tokens, dim) = (256, 16);
/// let x: Vec<f32> = (0..tokens * dim).map(|i| (i as f32 * 0.7).sin()).collect();
/// let head = TensorView::head(&x, tokens, dim);
/// let output = attention(head, head, head, &Options::default())?;
/// assert_eq!(output.shape, [1, 1, tokens, dim]);
/// # Ok::<(), scatterbrain::Error>(())
/// ```
///
/// # Errors
/// Those of [`Plan::new`] and [`Run::new`].
pub fn attention(q: TensorView, k: TensorView, v: TensorView, options: &Options) -> Result<Tensor> {
    Ok(attention_with_stats(q, k, v, options)?.0)
}

/// [`attention`], with what it took.
pub fn attention_with_stats(q: TensorView, k: TensorView, v: TensorView, options: &Options) -> Result<(Tensor, Stats)> {
    let plan = Plan::new(Shape::of(q, k, v)?, options)?;
    let mut run = Run::new(plan, Inputs { q: q.data, k: k.data, v: v.data })?;
    while !run.is_done() {
        run.step()?;
    }
    Ok(run.finish())
}
