//! What the estimator promises about its support: exact on it, low rank off it, exact attention when it is everything.

mod harness;
mod oracle;

use harness::cases;
use harness::check::{self, Reference};
use harness::data::{Inputs, Random, single};
use oracle::supports::Mask;
use scatterbrain::{Features, Method, Options, Support, analysis, attention};

/// 1e-3 to 1e3 by half decades.
fn temperatures() -> impl Iterator<Item = f64> {
    (-6..=6).map(|n| 10f64.powf(f64::from(n) / 2.0))
}

/// Every support whose size lets it hold all `keys` keys.
fn full_supports(queries: usize, keys: usize, causal: bool) -> Vec<Support> {
    let mut all = vec![
        cases::explicit(queries, |_| (0..keys).collect()),
        // A band is cut off at half its size on either side.
        Support::Window { size: Some(2 * queries.max(keys)) },
        Support::TopK { count: Some(keys) },
    ];
    if !causal {
        all.push(Support::Lsh { rounds: Some(1), chunk: Some(keys) });
        all.push(Support::Smyrf { cluster: Some(keys), rounds: Some(1) });
        all.push(Support::Smyrf { cluster: Some(keys + 3), rounds: Some(3) });
    }
    all
}

fn relative_difference(x: &[f32], y: &[f32]) -> f64 {
    oracle::estimator::relative_error(&harness::bridge::wide(x), &harness::bridge::wide(y))
}

fn exact(options: &Options) -> Options {
    Options { method: Method::Exact, support: None, features: None, ..options.clone() }
}

#[test]
fn full_support_is_exact_attention_at_every_temperature() {
    for causal in [false, true] {
        let inputs = Inputs::normal(single(37, 41, 16, 9), 1.0, 1);
        for temperature in temperatures() {
            let options = Options { temperature, causal, ..Options::default() };
            let wanted = attention(inputs.q(), inputs.k(), inputs.v(), &exact(&options)).unwrap();
            check::outputs(&inputs, &exact(&options)).unwrap();
            for support in full_supports(37, 41, causal) {
                let mut parts = vec![Options { method: Method::Sparse, ..options.clone() }];
                parts.extend(
                    cases::maps(32, causal).into_iter().map(|f| Options { features: Some(f), ..options.clone() }),
                );
                parts.push(Options { method: Method::Vitality, ..options.clone() });
                for mut options in parts {
                    options.support = Some(support.clone());
                    let got = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                    let error = relative_difference(&got.data, &wanted.data);
                    assert!(error <= 1e-5, "{options:?}: off by {error:e}");
                }
            }
        }
    }
}

/// Where all queries and keys point the same way, they share one bucket.
#[test]
fn one_bucket_is_exact_attention() {
    let mut inputs = Inputs::normal(single(20, 30, 5, 4), 1.0, 2);
    let direction = Random::new(3).normals(5, 1.0);
    let mut random = Random::new(4);
    for token in inputs.q.chunks_exact_mut(5).chain(inputs.k.chunks_exact_mut(5)) {
        let length = 0.2 + random.uniform() as f32;
        token.iter_mut().zip(&direction).for_each(|(x, d)| *x = length * d);
    }
    for causal in [false, true] {
        for features in cases::maps(12, causal) {
            let support = Some(Support::Lsh { rounds: Some(1), chunk: None });
            let options = Options { support, features: Some(features), causal, ..Options::default() };
            let got = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let wanted = attention(inputs.q(), inputs.k(), inputs.v(), &exact(&options)).unwrap();
            let error = relative_difference(&got.data, &wanted.data);
            assert!(error <= 1e-5, "{options:?}: off by {error:e}");
        }
    }
}

/// Â_ij, not normalised.
fn unnormalised(inputs: &Inputs, options: &Options) -> (Vec<f64>, Vec<u8>) {
    let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), options).unwrap();
    let scale = |at: usize| seen.log_normalizer[at / seen.keys].exp();
    let matrix = seen.approximation.iter().enumerate().map(|(at, &p)| f64::from(p) * scale(at)).collect();
    (matrix, seen.support)
}

/// Supports of every kind with a feature map of every kind.
fn estimators(keys: usize, count: usize, causal: bool) -> Vec<Options> {
    let (supports, maps) = (cases::supports(keys, causal), cases::maps(count, causal));
    let pairs = supports.iter().flat_map(|support| maps.iter().map(move |map| (support.clone(), map.clone())));
    pairs
        .map(|(support, features)| Options {
            support: Some(support),
            features: Some(features),
            causal,
            ..Options::default()
        })
        .collect()
}

fn low_rank(options: &Options) -> Options {
    Options { support: None, method: Method::LowRank, ..options.clone() }
}

#[test]
fn on_the_support_the_matrix_is_exact_and_off_it_low_rank() {
    let inputs = Inputs::normal(single(25, 31, 6, 4), 0.7, 5);
    for causal in [false, true] {
        for options in estimators(31, 20, causal) {
            let options = cases::clear(&inputs, options);
            let (matrix, support) = unnormalised(&inputs, &options);
            let (features_only, _) = unnormalised(&inputs, &low_rank(&options));
            let reference = Reference::new(&inputs, &options, 0);
            for i in 0..25 {
                let row = i * 31..(i + 1) * 31;
                let largest = features_only[row].iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                for j in (0..31).filter(|&j| reference.head.visible(i, j)) {
                    let at = i * 31 + j;
                    // Polynomials have terms of both signs: their error is relative to the row, not to the entry.
                    let (wanted, size) = if support[at] != 0 {
                        let a = reference.head.logit(i, j).exp();
                        (a, a)
                    } else {
                        (features_only[at], largest)
                    };
                    let error = (matrix[at] - wanted).abs();
                    assert!(error <= 1e-5 * size, "{options:?} [{i}, {j}]: {}, not {wanted}", matrix[at]);
                }
            }
        }
    }
}

fn distance(matrix: &[f64], exact: &[f64]) -> f64 {
    matrix.iter().zip(exact).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}

/// Entries on the support lose their error and the others keep it. Of normalised matrices this is not true.
#[test]
fn a_support_never_increases_the_unnormalised_error() {
    let mut strictly_smaller = 0;
    for seed in 0..40 {
        let inputs = Inputs::normal(single(19, 23, 5, 3), 0.8, 100 + seed);
        for causal in [false, true] {
            for options in estimators(23, 8, causal) {
                let options = cases::clear(&inputs, Options { seed, ..options });
                let (matrix, support) = unnormalised(&inputs, &options);
                let (features_only, _) = unnormalised(&inputs, &low_rank(&options));
                let head = harness::bridge::head(&inputs, &options, 0);
                let exact = |i: usize, j: usize| if head.visible(i, j) { head.logit(i, j).exp() } else { 0.0 };
                let exact: Vec<f64> = (0..19 * 23).map(|at| exact(at / 23, at % 23)).collect();
                let (both, alone) = (distance(&matrix, &exact), distance(&features_only, &exact));
                // Entries off the support are the same in both but for rounding.
                let rounding = 1e-5 * distance(&features_only, &vec![0.0; exact.len()]);
                assert!(both <= alone + rounding, "{options:?}: {both} > {alone}");
                let mask = Mask::from_bytes(&support, 23);
                strictly_smaller += usize::from(both < 0.99 * alone);
                assert!(mask.count() > 0 || both == alone);
            }
        }
    }
    assert!(strictly_smaller > 1000, "the supports hardly helped: the test shows nothing");
}

/// Values that show the mass off the support alone: 1 off it, 0 on it, and a second column without pattern.
fn show_the_rest(inputs: &mut Inputs, kept: usize) {
    inputs.v.chunks_exact_mut(2).enumerate().for_each(|(j, v)| v[0] = f32::from(u8::from(j >= kept)));
}

/// The share of each row's mass that lies off the first `kept` keys is the reference's, to relative accuracy. Gives the
/// largest such share, and the smallest factor by which the features overestimate the mass on the support.
fn compare_the_rest(inputs: &Inputs, options: &Options, kept: usize) -> (f64, f64) {
    let output = attention(inputs.q(), inputs.k(), inputs.v(), options).unwrap();
    let reference = Reference::new(inputs, options, 0);
    check::head_outputs(&output.data, &reference).unwrap_or_else(|e| panic!("{options:?}: {e}"));
    let (kernel, rounding) = (reference.kernel.as_ref().unwrap(), reference.rounding());
    let (mut largest_share, mut smallest_factor) = (0.0f64, f64::INFINITY);
    for i in 0..reference.head.queries {
        let expected = reference.row(&rounding, i);
        let ln_z = expected.row.log_normalizer();
        let estimated = (0..kept).map(|j| kernel.entry(i, j).relative_to(ln_z)).sum::<f64>();
        smallest_factor = smallest_factor.min(estimated);
        let wanted = (expected.row.log_mass_where(|j| j >= kept) - ln_z).exp();
        largest_share = largest_share.max(wanted);
        if wanted > 1e-30 {
            let got = f64::from(output.data[2 * i]);
            let entries: f64 = expected.bounds.entry[kept..].iter().sum();
            let bound = entries / wanted + expected.bounds.mass() + 1e-6;
            assert!((got / wanted - 1.0).abs() <= bound, "{options:?} row {i}: {got:e}, not {wanted:e}");
        }
    }
    (largest_share, smallest_factor)
}

fn positive_maps() -> impl Iterator<Item = Features> {
    // The mass of a polynomial may be negative, and has no relative accuracy.
    cases::maps(16, false).into_iter().filter(|f| !matches!(f, Features::Taylor { .. }))
}

/// The keys of the support look like the queries, and what is left is orders of magnitude smaller.
#[test]
fn the_mass_off_the_support_is_accurate_at_sharp_temperatures() {
    let (queries, keys, dim, kept) = (24, 40, 8, 5);
    let mut small = 0;
    for seed in 0..12 {
        for temperature in [0.03, 0.1, 0.3] {
            let mut inputs = Inputs::normal(single(queries, keys, dim, 2), 1.0, 200 + seed);
            for j in 0..kept {
                let like: Vec<f32> = inputs.q[j * dim..(j + 1) * dim].iter().map(|x| 1.5 * x).collect();
                inputs.k[j * dim..(j + 1) * dim].copy_from_slice(&like);
            }
            show_the_rest(&mut inputs, kept);
            for features in positive_maps() {
                let support = Some(cases::explicit(queries, |_| (0..kept).collect()));
                let options = Options { support, features: Some(features), temperature, seed, ..Options::default() };
                small += usize::from(compare_the_rest(&inputs, &options, kept).0 < 0.5);
            }
        }
    }
    assert!(small > 50, "only {small} heads have little mass off the support");
}

/// Queries and supported keys along a direction of the features, where these overestimate by e^(|w|^2/2) / m: "all minus
/// support" would subtract numbers 10^4 times the row's mass.
#[test]
fn features_that_overestimate_the_support_do_not_spoil_the_rest() {
    let (queries, keys, dim, kept) = (20, 40, 40, 5);
    let mut overestimated = 0;
    for seed in 0..6 {
        for features in [
            Features::Favor { count: Some(16), hyperbolic: false, center: false, balance: false },
            Features::Favor { count: Some(16), hyperbolic: true, center: false, balance: false },
        ] {
            let mut inputs = Inputs::normal(single(queries, keys, dim, 2), 0.3, 300 + seed);
            let w = scatterbrain::features::directions(seed, 0, dim, 1);
            // x' = w / 2, whatever the scale.
            let half = 0.5 * (dim as f32).powf(0.25);
            let along = |token: &mut [f32]| token.iter_mut().zip(&w).for_each(|(x, w)| *x = 0.1 * *x + half * w);
            inputs.q.chunks_exact_mut(dim).for_each(along);
            inputs.k.chunks_exact_mut(dim).take(kept).for_each(along);
            show_the_rest(&mut inputs, kept);
            let support = Some(cases::explicit(queries, |_| (0..kept).collect()));
            let options = Options { support, features: Some(features), seed, ..Options::default() };
            let (_, factor) = compare_the_rest(&inputs, &options, kept);
            overestimated += usize::from(factor > 1e4);
        }
    }
    assert!(overestimated >= 8, "the features overestimate in {overestimated} cases of 12 only: the test shows little");
}
