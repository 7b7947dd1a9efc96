//! The GPU against the same reference as the processor, over the same table of cases. Needs a Vulkan driver; `scripts/test.sh`
//! brings one that runs on the processor.
//!
//! The bound on an output is the processor's, a first-order analysis of f32 rounding, and [`SLACK`] times the sum of the magnitudes that
//! it is summed from: shaders may compute exp to a few units in the last place times its argument.

mod harness;
mod oracle;

use harness::cases::{self, Case};
use harness::check;
use harness::data::Inputs;
use scatterbrain::gpu::{Gpu, GpuRun, block_on};
use scatterbrain::{Error, Features, Method, Options, Plan, Stats, Support, Tensor};

const SLACK: f64 = 1e-4;

fn gpu() -> Gpu {
    block_on(Gpu::open()).unwrap()
}

fn call(gpu: &Gpu, inputs: &Inputs, options: &Options) -> Result<(Tensor, Stats), Error> {
    let Inputs { shape, q, k, v } = inputs.clone();
    let mut run = GpuRun::new(gpu, Plan::new(shape, options)?, scatterbrain::Inputs { q, k, v })?;
    while !run.is_done() {
        block_on(run.step())?;
    }
    Ok(run.finish())
}

/// Whether the device has what the options ask for.
fn is_supported(options: &Options) -> bool {
    let support = !matches!(options.support, Some(Support::TopK { .. }));
    let features = match options.features {
        Some(Features::Elu | Features::Taylor { .. }) => false,
        Some(Features::Favor { balance, .. } | Features::Optimal { balance, .. }) => !balance,
        _ => true,
    };
    support && features && options.method != Method::Vitality
}

/// Compares all cases: what is supported with the reference, the rest with the refusal.
fn compare(cases: impl Iterator<Item = Case>) {
    let gpu = gpu();
    check::all(
        cases,
        |case| case.name.clone(),
        |Case { inputs, options, .. }| match call(&gpu, inputs, options) {
            Ok((output, _)) => check::outputs_within(&output.data, inputs, options, SLACK),
            Err(Error::Unsupported { .. }) if !is_supported(options) => {
                Ok(check::Tally { rows: 1, ..Default::default() })
            }
            Err(error) => Err(error.to_string()),
        },
    );
}

/// Every third size: each still meets all left-overs of tiles of 2, 4 and 16.
#[test]
fn outputs_equal_the_reference_at_many_sizes() {
    compare(cases::sizes(false).step_by(7));
}

#[test]
fn causal_outputs_equal_the_reference_at_many_sizes() {
    compare(cases::sizes(true).step_by(7));
}

#[test]
fn outputs_equal_the_reference_with_several_heads_and_masks() {
    compare(cases::batches().into_iter());
}

#[test]
fn outputs_equal_the_reference_from_flat_to_sharp() {
    compare(cases::temperatures().into_iter());
}

#[test]
fn outputs_equal_the_reference_with_explicit_supports() {
    compare(cases::explicit_supports().into_iter());
}
