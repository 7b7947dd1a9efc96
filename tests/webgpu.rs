//! The GPU against the same reference as the processor, over the same table of cases. Needs a Vulkan driver; `scripts/test.sh`
//! brings one that runs on the processor.
//!
//! The bound on an output is the processor's, a first-order analysis of f32 rounding, and [`SLACK`] times the sum of the magnitudes that
//! it is summed from: shaders may compute exp to a few units in the last place times its argument.

mod harness;
mod oracle;

use harness::cases::explicit;
use harness::cases::{self, Case};
use harness::check;
use harness::data::{Inputs, single};
use scatterbrain::gpu::{Gpu, GpuRun, GpuSweep, block_on};
use scatterbrain::{
    Error, Features, Method, Options, Plan, Shape, Stats, Support, Tensor, analysis, attention, attention_with_stats,
};

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
fn compare(gpu: &Gpu, cases: impl Iterator<Item = Case>) {
    check::all(
        cases,
        |case| case.name.clone(),
        |Case { inputs, options, .. }| match call(gpu, inputs, options) {
            Ok((output, _)) => check::outputs_within(&output.data, inputs, options, SLACK),
            Err(Error::Unsupported { .. }) if !is_supported(options) => {
                Ok(check::Tally { rows: 1, ..Default::default() })
            }
            Err(error) => Err(error.to_string()),
        },
    );
}

/// A choice from the table, for a processor that plays a GPU takes a quarter of an hour for all of it. The numbers share no factor with
/// those of sizes and of estimators, so that every size and every estimator has its turns.
#[test]
fn outputs_equal_the_reference() {
    // One device for all, for it compiles each shader once.
    let gpu = gpu();
    compare(&gpu, cases::sizes(false).step_by(61));
    compare(&gpu, cases::sizes(true).step_by(61));
    compare(&gpu, cases::batches().into_iter().step_by(7));
    compare(&gpu, cases::temperatures().into_iter().step_by(5));
    compare(&gpu, cases::explicit_supports().into_iter().step_by(3));
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn outputs_equal_the_reference_over_the_whole_table() {
    compare(&gpu(), cases::all());
}

fn hashed(support: Support, features: Option<Features>, causal: bool) -> Options {
    Options { support: Some(support), features, causal, ..Options::default() }
}

fn lsh(chunk: Option<usize>) -> Support {
    Support::Lsh { rounds: Some(3), chunk }
}

/// Hashes, ranks and unions are those of the processor: were one token in another bucket, the number of pairs would change.
#[test]
fn supports_have_as_many_entries_as_on_the_processor() {
    let gpu = gpu();
    let shape = Shape { batch: 2, heads: 2, queries: 500, keys: 490, dim: 64, value_dim: 8, kv_heads: 1 };
    let inputs = Inputs::normal(shape, 1.0, 41);
    let smyrf = Support::Smyrf { cluster: Some(48), rounds: Some(3) };
    for (support, causal) in [(lsh(None), false), (lsh(Some(40)), false), (smyrf, false), (lsh(Some(3)), true)] {
        let options = Options { key_lengths: Some(vec![490, 333]), ..hashed(support.clone(), None, causal) };
        let (wanted, processor) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
        let (got, device) = call(&gpu, &inputs, &options).unwrap();
        assert_eq!(device.support_entries, processor.support_entries, "{support:?}");
        assert_close(&got.data, &wanted.data, 1e-4);
    }
}

/// A dispatch of more workgroups than one dimension holds.
#[test]
#[ignore = "takes a minute; a unit test has the same with a smaller limit"]
fn more_rows_than_a_dimension_of_workgroups() {
    let inputs = Inputs::normal(single(70_000, 5, 1, 1), 1.0, 42);
    let options = hashed(explicit(70_000, |i| vec![i % 5, i % 3]), None, false);
    let wanted = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
    assert_close(&call(&gpu(), &inputs, &options).unwrap().0.data, &wanted.data, 1e-5);
}

#[test]
fn later_tokens_leave_earlier_rows_as_they_are_to_the_bit() {
    let gpu = gpu();
    let (shape, kept) = (single(300, 300, 16, 8), 150);
    let inputs = Inputs::normal(shape, 1.0, 43);
    let mut changed = inputs.clone();
    changed.k[kept * 16..].iter_mut().for_each(|x| *x = 3.0 - *x);
    changed.v[kept * 8..].iter_mut().for_each(|x| *x *= -7.0);
    let window = Support::Window { size: Some(20) };
    for support in [lsh(None), lsh(Some(4)), window] {
        for features in [None, Some(favor(32, false, false))] {
            let options = hashed(support.clone(), features, true);
            let [before, after] = [&inputs, &changed].map(|inputs| call(&gpu, inputs, &options).unwrap().0.data);
            assert_eq!(before[..kept * 8], after[..kept * 8], "{options:?}");
            assert_ne!(before[kept * 8..], after[kept * 8..]);
        }
    }
}

fn assert_close(got: &[f32], wanted: &[f32], tolerance: f32) {
    let off = got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off <= tolerance, "off by {off}");
}

/// What sorting takes on the device and on the processor.
#[test]
#[ignore = "measures"]
fn time_to_sort() {
    let gpu = gpu();
    for tokens in [1024, 4096, 16_384] {
        let inputs = Inputs::normal(single(tokens, tokens, 4, 1), 1.0, 44);
        let smyrf = Support::Smyrf { cluster: Some(4), rounds: Some(1) };
        let options = hashed(smyrf, None, false);
        let sorting = |stats: Stats| {
            let sort = stats.phases.iter().find(|phase| phase.name == "sort");
            sort.map_or(0.0, |phase| phase.milliseconds)
        };
        let times: Vec<f64> = (0..3).map(|_| sorting(call(&gpu, &inputs, &options).unwrap().1)).collect();
        let processor = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap().1;
        println!(
            "{tokens} queries and keys: {times:.1?} ms on the device, {:.1} ms on the processor",
            sorting(processor)
        );
    }
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
        let wanted = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap().data;
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
