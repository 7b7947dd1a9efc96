//! E[Â] = A for positive random features, before rows are normalised, whatever the support.

mod harness;
mod oracle;

use harness::data::{Inputs, single};
use harness::{bridge, cases};
use oracle::kernel::{Centered, Kernel, Map, favor};
use scatterbrain::{Features, Options, Support, analysis};

const SEEDS: u64 = 2000;
const QUERIES: usize = 4;
const KEYS: usize = 5;
const DIM: usize = 3;

/// Mean over seeds of a matrix, and its standard error, entry by entry.
fn mean_and_error(draw: impl Fn(u64) -> Vec<f64>) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0.0); QUERIES * KEYS];
    for seed in 0..SEEDS {
        for (sum, x) in sums.iter_mut().zip(draw(seed)) {
            *sum = (sum.0 + x, sum.1 + x * x);
        }
    }
    let n = SEEDS as f64;
    sums.iter().map(|(sum, squares)| (sum / n, ((squares / n - (sum / n).powi(2)).max(0.0) / n).sqrt())).collect()
}

/// Moderate norms: |q' + k'|^2 of about 1, so that the mean of 2,000 log-normal draws is nearly normal.
fn inputs() -> Inputs {
    Inputs::normal(single(QUERIES, KEYS, DIM, 2), 0.5, 3)
}

fn unnormalised(inputs: &Inputs, options: &Options) -> Vec<f64> {
    let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), options).unwrap();
    let entries = seen.approximation.iter().enumerate();
    entries.map(|(at, &p)| f64::from(p) * seen.log_normalizer[at / KEYS].exp()).collect()
}

fn exact(inputs: &Inputs, options: &Options) -> Vec<f64> {
    let head = bridge::head(inputs, options, 0);
    let entry = |i: usize, j: usize| if head.visible(i, j) { head.logit(i, j).exp() } else { 0.0 };
    (0..QUERIES * KEYS).map(|at| entry(at / KEYS, at % KEYS)).collect()
}

/// The largest distance from A in standard errors. Entries that hardly vary (exact ones) count by f32's rounding.
fn worst(estimate: &[(f64, f64)], exact: &[f64]) -> f64 {
    let distance = |((mean, error), a): (&(f64, f64), &f64)| (mean - a).abs() / (error + 1e-6 * a.abs() + 1e-30);
    estimate.iter().zip(exact).map(distance).fold(0.0, f64::max)
}

fn maps(causal: bool) -> Vec<Features> {
    let unbiased = |f: &Features| matches!(f, Features::Favor { .. } | Features::Optimal { .. });
    cases::maps(4, causal).into_iter().filter(unbiased).collect()
}

fn assert_unbiased(support: Option<Support>, causal: bool) {
    let inputs = inputs();
    for features in maps(causal) {
        let options = Options { features: Some(features), support: support.clone(), causal, ..Options::default() };
        let estimate = mean_and_error(|seed| unnormalised(&inputs, &Options { seed, ..options.clone() }));
        let distance = worst(&estimate, &exact(&inputs, &options));
        assert!(distance <= 4.0, "{options:?}: {distance} standard errors");
    }
}

#[test]
fn low_rank_is_unbiased() {
    assert_unbiased(None, false);
}

#[test]
fn causal_low_rank_is_unbiased() {
    assert_unbiased(None, true);
}

#[test]
fn scatterbrain_is_unbiased_with_a_fixed_support() {
    assert_unbiased(Some(Support::Window { size: Some(2) }), false);
    assert_unbiased(Some(Support::TopK { count: Some(2) }), true);
}

/// The hash is drawn independently of the features.
#[test]
fn scatterbrain_is_unbiased_with_a_hashed_support() {
    assert_unbiased(Some(Support::Lsh { rounds: Some(1), chunk: None }), false);
    assert_unbiased(Some(Support::Smyrf { cluster: Some(2), rounds: Some(1) }), false);
}

/// The same statistic must reject maps that are a little wrong, or it shows nothing.
#[test]
fn two_thousand_seeds_tell_a_wrong_map() {
    let inputs = inputs();
    let stretched = |directions: &[Vec<f64>], by: f64| -> Vec<Vec<f64>> {
        directions.iter().map(|w| w.iter().map(|x| by * x).collect()).collect()
    };
    for features in maps(false) {
        let options = Options { features: Some(features), ..Options::default() };
        let head = bridge::head(&inputs, &options, 0);
        let distance = |by: f64| {
            let estimate = mean_and_error(|seed| {
                let map = match bridge::map(DIM, &Options { seed, ..options.clone() }, 0).unwrap() {
                    Map::Favor { directions, hyperbolic, center, balance } => {
                        Map::Favor { directions: stretched(&directions, by), hyperbolic, center, balance }
                    }
                    Map::Optimal { directions, center, balance, spread } => {
                        Map::Optimal { directions: stretched(&directions, by), center, balance, spread }
                    }
                    map => map,
                };
                let kernel = Kernel::new(&head, &map);
                (0..QUERIES * KEYS).map(|at| kernel.entry(at / KEYS, at % KEYS).value()).collect()
            });
            worst(&estimate, &exact(&inputs, &options))
        };
        assert!(distance(1.0) <= 4.0, "{options:?}: the reference itself is {} off", distance(1.0));
        for by in [0.9, 1.1] {
            assert!(distance(by) > 4.0, "{options:?}: directions times {by} pass at {}", distance(by));
        }
    }
}

/// What leaves logits as they are does so on both sides together.
#[test]
fn two_thousand_seeds_tell_a_balance_of_one_side() {
    let inputs = inputs();
    let features = Features::Favor { count: Some(4), hyperbolic: false, center: true, balance: true };
    let options = Options { features: Some(features), ..Options::default() };
    let head = bridge::head(&inputs, &options, 0);
    let distance = |both: bool| {
        let estimate = mean_and_error(|seed| {
            let Some(Map::Favor { directions, .. }) = bridge::map(DIM, &Options { seed, ..options.clone() }, 0) else {
                unreachable!()
            };
            let mut centered = Centered::new(&head, true, true);
            let balance = centered.balance.as_mut().unwrap();
            if !both {
                let one = |i: usize| (0..DIM).map(|j| f64::from(u8::from(i == j))).collect();
                balance.inverse_transposed = (0..DIM).map(one).collect();
            }
            let kernel = centered.features(|x| favor(x, &directions));
            (0..QUERIES * KEYS).map(|at| kernel.entry(at / KEYS, at % KEYS).value()).collect()
        });
        worst(&estimate, &exact(&inputs, &options))
    };
    assert!(distance(true) <= 4.0, "both sides: {}", distance(true));
    assert!(distance(false) > 4.0, "queries alone pass at {}", distance(false));
}

/// Biased maps must be seen to be biased: these are sold as such.
#[test]
fn two_thousand_seeds_reject_the_biased_maps() {
    let inputs = inputs();
    for features in [Features::Elu, Features::Taylor { order: 1 }, Features::Taylor { order: 2 }] {
        let options = Options { features: Some(features), ..Options::default() };
        let estimate = mean_and_error(|seed| unnormalised(&inputs, &Options { seed, ..options.clone() }));
        assert!(worst(&estimate, &exact(&inputs, &options)) > 4.0, "{options:?}");
    }
}
