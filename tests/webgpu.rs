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

fn low_rank(features: Features, causal: bool) -> Options {
    Options { method: Method::LowRank, features: Some(features), causal, seed: 7, ..Options::default() }
}

fn favor(count: usize, hyperbolic: bool, center: bool) -> Features {
    Features::Favor { count: Some(count), hyperbolic, center, balance: false }
}

/// With the identity as values, outputs are the normalised entries: those of the processor's features for the same seed.
#[test]
fn entries_of_the_low_rank_part_are_those_of_the_processor() {
    let gpu = gpu();
    let n = 300;
    let mut inputs = Inputs::normal(single(n, n, 64, n), 1.0, 41);
    inputs.v = (0..n * n).map(|at| if at % n == at / n { 1.0 } else { 0.0 }).collect();
    let optimal = |center, spread| Features::Optimal { count: Some(100), center, balance: false, spread };
    let cases = [
        low_rank(favor(100, false, false), false),
        low_rank(favor(100, true, true), false),
        low_rank(optimal(true, None), false),
        low_rank(favor(100, false, false), true),
        low_rank(optimal(false, Some(3.0)), true),
    ];
    for options in cases {
        let wanted = scatterbrain::attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap().data;
        let got = call(&gpu, &inputs, &options).unwrap().0.data;
        for (at, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let (query, key) = (at / n, at % n);
            assert!((got - wanted).abs() <= 1e-4 * wanted + 1e-9, "{options:?} [{query}, {key}]: {got}, not {wanted}");
        }
    }
}

/// To the bit, however large what comes later: no scale and no sum may know of it.
#[test]
fn causal_rows_of_the_low_rank_part_do_not_depend_on_the_future() {
    let gpu = gpu();
    let inputs = Inputs::normal(single(300, 300, 16, 12), 1.0, 42);
    let options = low_rank(favor(40, false, false), true);
    let before = call(&gpu, &inputs, &options).unwrap().0.data;
    for first in [1, 63, 64, 100, 191, 299] {
        let mut changed = inputs.clone();
        changed.q[first * 16..].iter_mut().for_each(|x| *x *= -2.0);
        changed.k[first * 16..].iter_mut().for_each(|x| *x *= 3.0);
        changed.v[first * 12..].iter_mut().for_each(|x| *x += 1e6);
        let after = call(&gpu, &changed, &options).unwrap().0.data;
        let bits = |data: &[f32]| data[..first * 12].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&before) == bits(&after), "a row before {first} changed");
        assert_ne!(before[first * 12..], after[first * 12..]);
    }
}
