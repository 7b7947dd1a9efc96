//! A call on all threads of rayon's current pool.

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use crate::attention::{Engine, Inputs, Part, Stats};
use crate::error::Result;
use crate::memory;
use crate::plan::Plan;
use crate::shape::Tensor;

/// So that a thread which is held up leaves its share to the others. Only where there are as many heads, for every part of a head
/// prepares the whole head.
const PARTS_PER_THREAD: usize = 4;

pub(super) fn run(plan: Plan, inputs: Inputs<&[f32]>) -> Result<(Tensor, Stats)> {
    let start = Instant::now();
    inputs.check(&plan)?;
    let plan = Arc::new(plan);
    let threads = rayon::current_num_threads();
    let many = PARTS_PER_THREAD * threads;
    let count = if plan.shape.slices() >= many { many } else { threads };
    let parts: Vec<_> = (0..count).filter_map(|index| plan.part(index, count)).collect();
    let results = parts.into_par_iter().with_max_len(1).map(|part| compute(&plan, part, inputs));
    let (output, stats) = join(&plan, results.collect::<Result<_>>()?)?;
    Ok((output, Stats { milliseconds: start.elapsed().as_secs_f64() * 1e3, ..stats }))
}

fn compute(plan: &Arc<Plan>, part: Part, Inputs { q, k, v }: Inputs<&[f32]>) -> Result<(Tensor, Stats)> {
    let inputs = Inputs { q: &q[part.q.clone()], k: &k[part.k.clone()], v: &v[part.v.clone()] };
    let mut engine = Engine::of_part(plan.clone(), part)?;
    while !engine.is_done() {
        engine.step(&inputs)?;
    }
    Ok(engine.finish())
}

/// The result of the call from those of its parts, in order.
fn join(plan: &Plan, parts: Vec<(Tensor, Stats)>) -> Result<(Tensor, Stats)> {
    let whole = plan.whole();
    let mut stats = Stats::of(plan, &whole, parts.iter().map(|(_, stats)| stats.clusters).sum());
    // Each thread has scratch of its own, and the output of the parts is there beside that of the call.
    let threads = parts.len().min(rayon::current_num_threads()) as u64;
    stats.peak_bytes += (threads - 1) * plan.scratch_bytes() + (whole.output.len() * size_of::<f32>()) as u64;
    let mut output = memory::with_capacity("the output", whole.output.len())?;
    for (rows, part) in parts {
        output.extend(rows.data);
        stats.support_entries += part.support_entries;
        if stats.phases.is_empty() {
            stats.phases = part.phases;
        } else {
            for (sum, phase) in stats.phases.iter_mut().zip(part.phases) {
                sum.milliseconds += phase.milliseconds;
            }
        }
    }
    Ok((Tensor { data: output, shape: plan.shape.output() }, stats))
}
