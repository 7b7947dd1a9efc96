//! The GPU against the same reference as the processor, over the same table of cases. Needs a Vulkan driver; `scripts/test.sh`
//! brings one that runs on the processor.
//!
//! The bound on an output is the processor's, a first-order analysis of f32 rounding, and [`SLACK`] times the sum of the magnitudes that
//! it is summed from: shaders may compute exp to a few units in the last place times its argument.

mod harness;
mod oracle;

use harness::cases::{self, Case};
use harness::check;
use harness::data::{Inputs, single};
use scatterbrain::gpu::{Gpu, GpuRun, GpuSweep, block_on};
use scatterbrain::{Error, Features, Method, Options, Plan, Stats, Support, Tensor, analysis};

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

#[test]
fn a_sweep_is_that_of_the_processor() {
    let gpu = gpu();
    let inputs = Inputs::normal(single(150, 150, 20, 12), 1.0, 5);
    let options = Options::default();
    let (temperatures, methods) = ([0.1, 1.0, 10.0], [Method::Exact]);
    let wanted = analysis::sweep(inputs.q(), inputs.k(), inputs.v(), &options, &temperatures, &methods).unwrap();
    let Inputs { shape, q, k, v } = inputs;
    let inputs = scatterbrain::Inputs { q, k, v };
    let mut sweep = GpuSweep::new(&gpu, shape, &options, &temperatures, &methods, inputs).unwrap();
    let mut fraction = 0.0;
    while !sweep.is_done() {
        block_on(sweep.step()).unwrap();
        assert!(sweep.fraction() >= fraction);
        fraction = sweep.fraction();
    }
    assert_eq!(fraction, 1.0);
    for (point, wanted) in sweep.finish().iter().zip(&wanted) {
        assert_eq!(point.temperature, wanted.temperature);
        assert!((point.entropy - wanted.entropy).abs() < 1e-4, "{point:?} {wanted:?}");
        assert_eq!(point.errors, [(Method::Exact, 0.0)]);
    }
}

#[test]
fn runs_that_are_dropped_leave_those_after_alone() {
    let gpu = gpu();
    let inputs = Inputs::normal(single(700, 700, 32, 32), 1.0, 6);
    let options = Options { method: Method::Exact, ..Options::default() };
    let (wanted, _) = call(&gpu, &inputs, &options).unwrap();
    for steps in 1..6 {
        let Inputs { shape, q, k, v } = inputs.clone();
        let plan = Plan::new(shape, &options).unwrap();
        let mut run = GpuRun::new(&gpu, plan, scatterbrain::Inputs { q, k, v }).unwrap();
        (0..steps).for_each(|_| block_on(run.step()).unwrap());
        drop(run);
        assert_eq!(call(&gpu, &inputs, &options).unwrap().0, wanted, "after {steps} steps");
    }
}
