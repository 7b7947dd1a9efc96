//! Finite input gives finite output, whatever its size and whatever the temperature.

mod harness;
mod oracle;

use harness::cases;
use harness::data::{Inputs, single};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use scatterbrain::{Features, Options, Shape, Support, analysis, attention};

fn finite(x: &[f32]) -> bool {
    x.iter().all(|x| x.is_finite())
}

/// Runs a call, and for one head its decomposition, and looks for NaN and infinities.
fn check(inputs: &Inputs, options: &Options) -> Result<(), String> {
    let output = attention(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string())?;
    if !finite(&output.data) {
        return Err(format!("the output is {:?}", output.data));
    }
    if inputs.shape.batch * inputs.shape.heads > 1 {
        return Ok(());
    }
    let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string())?;
    let matrices = [
        ("exact", seen.exact),
        ("low_rank", seen.low_rank),
        ("sparse", seen.sparse),
        ("approximation", seen.approximation),
    ];
    for (name, matrix) in matrices {
        if !finite(&matrix) {
            return Err(format!("{name} is {matrix:?}"));
        }
    }
    // Values of 1e38 have squares that only f64 holds, and an output of zeros has no relative error but zero.
    if !seen.entropy.is_finite() || !seen.relative_error.is_finite() {
        return Err(format!("entropy {}, relative error {}", seen.entropy, seen.relative_error));
    }
    Ok(())
}

/// Numbers of every size: ordinary, huge, the largest, subnormal, zero.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -3.0f32..3.0,
        2 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
        1 => Just(f32::MAX),
        1 => Just(-f32::MAX),
        1 => Just(1e-42f32),
        1 => Just(-f32::MIN_POSITIVE),
        2 => Just(0.0f32),
        1 => -1e20f32..1e20,
    ]
}

#[derive(Clone, Debug)]
struct Call {
    shape: Shape,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    options: Options,
}

fn call() -> impl Strategy<Value = Call> {
    let sizes = (1usize..=2, 1usize..=20, 1usize..=20, 1usize..=5, 1usize..=4);
    let shapes = sizes
        .prop_map(|(heads, queries, keys, dim, value_dim)| Shape { heads, ..single(queries, keys, dim, value_dim) });
    // Temperatures 1e-30 to 1e30, often 1.
    let temperatures = prop_oneof![Just(1.0), (-30.0f64..30.0).prop_map(|e| 10f64.powf(e))];
    (shapes, any::<bool>(), any::<prop::sample::Index>(), temperatures, any::<u64>(), 1usize..=9).prop_flat_map(
        |(shape, causal, which, temperature, seed, count)| {
            let mut all = cases::estimators(shape.keys, count, causal);
            all.extend(cases::clustered(shape.keys, causal));
            let options = Options { temperature, seed, ..all[which.index(all.len())].clone() };
            let tensor = |len| prop::collection::vec(number(), len);
            (tensor(shape.q_len()), tensor(shape.k_len()), tensor(shape.v_len()), prop::option::of(0..=shape.keys))
                .prop_map(move |(q, k, v, length)| {
                    let options = Options { key_lengths: length.map(|n| vec![n]), ..options.clone() };
                    Call { shape, q, k, v, options }
                })
        },
    )
}

#[test]
fn finite_input_never_gives_nan_or_infinity() {
    let config = Config { cases: 4000, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() };
    let property = |Call { shape, q, k, v, options }: Call| {
        check(&Inputs { shape, q, k, v }, &options).map_err(TestCaseError::fail)
    };
    TestRunner::new(config).run(&call(), property).unwrap_or_else(|e| panic!("{e}"));
}

/// Every estimator at every decade of temperature, for inputs of every decade, which chance may miss.
#[test]
fn every_estimator_is_finite_at_every_scale() {
    let mut base = Inputs::normal(single(18, 33, 5, 3), 1.0, 1);
    base.k[..5].fill(0.0);
    let mut failures = vec![];
    for scale in [f32::MIN_POSITIVE, 1e-20, 1.0, 1e10, 1e19, f32::MAX / 8.0] {
        let scaled = |x: &[f32]| -> Vec<f32> { x.iter().map(|x| x * scale).collect() };
        let inputs = Inputs { shape: base.shape, q: scaled(&base.q), k: scaled(&base.k), v: scaled(&base.v) };
        for exponent in [-30, -20, -10, -3, -1, 0, 1, 3, 10, 20, 30] {
            for causal in [false, true] {
                for options in cases::estimators(33, 12, causal).into_iter().chain(cases::clustered(33, causal)) {
                    let options = Options { temperature: 10f64.powi(exponent), ..options };
                    if let Err(what) = check(&inputs, &options) {
                        failures.push(format!("{options:?}, inputs times {scale:e}: {:.60}", what));
                    }
                }
            }
        }
    }
    let first: Vec<&str> = failures.iter().map(String::as_str).take(8).collect();
    assert!(failures.is_empty(), "{} calls fail, first\n  {}", failures.len(), first.join("\n  "));
}

/// elu(x) + 1 = exp(x) vanishes in f32 from x = -104 on; the row must survive that.
#[test]
fn rows_whose_features_all_vanish_stay_finite() {
    let mut inputs = Inputs::normal(single(20, 30, 4, 3), 1.0, 2);
    inputs.q.iter_mut().for_each(|x| *x = -300.0 - x.abs());
    for negative_keys in [false, true] {
        inputs.k.iter_mut().for_each(|x| *x = if negative_keys { -300.0 - x.abs() } else { x.abs() });
        for causal in [false, true] {
            for support in [None, Some(Support::Window { size: Some(3) })] {
                let options = Options { features: Some(Features::Elu), support, causal, ..Options::default() };
                check(&inputs, &options).unwrap_or_else(|e| panic!("{options:?}: {e}"));
            }
        }
    }
}

/// An average of equal values is that value, up to the size where values saturate.
#[test]
fn large_and_small_values_are_averaged_and_not_cut_off() {
    for magnitude in [1e-30f32, 1e-10, 1e20, 1e29] {
        let mut inputs = Inputs::normal(single(18, 33, 5, 3), 1.0, 3);
        inputs.v.fill(magnitude);
        for causal in [false, true] {
            for options in cases::estimators(33, 12, causal).into_iter().chain(cases::clustered(33, causal)) {
                // Terms of both signs may leave the range on the way; a sparse row may be empty.
                if matches!(options.features, Some(Features::Taylor { .. }))
                    || options.features.is_none() && options.support.is_some()
                {
                    continue;
                }
                if options.method == scatterbrain::Method::Vitality {
                    continue;
                }
                let output = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                for &o in &output.data {
                    assert!((o / magnitude - 1.0).abs() < 1e-5, "{options:?}: the mean of {magnitude:e} is {o:e}");
                }
            }
        }
    }
}
