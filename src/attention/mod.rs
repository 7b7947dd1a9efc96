//! The estimators: support x feature map, and the streamed exact one.

mod blocks;
mod clock;
mod clustered;
mod exact;
mod head;
mod low_rank;
#[cfg(all(feature = "rayon", not(target_arch = "wasm32")))]
mod parallel;
mod part;
mod prefix;
mod rows;
mod run;

pub use clock::Phase;
pub(crate) use clock::{Clock, Task};
pub(crate) use clustered::{Clustered, ClusteredRow};
pub(crate) use exact::{BLOCK, Exact, RowStats};
#[cfg(feature = "webgpu")]
pub(crate) use head::V_LIMIT;
pub(crate) use head::{Head, saturate};
pub(crate) use low_rank::{DenseKeys, LowRank};
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
/// With the feature `rayon`, the threads of its current pool share the heads of all sequences, and the queries of an exact one:
/// the result is the same to the bit.
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
    let inputs = Inputs { q: q.data, k: k.data, v: v.data };
    #[cfg(all(feature = "rayon", not(target_arch = "wasm32")))]
    if rayon::current_num_threads() > 1 {
        return parallel::run(plan, inputs);
    }
    let mut run = Run::new(plan, inputs)?;
    while !run.is_done() {
        run.step()?;
    }
    Ok(run.finish())
}
