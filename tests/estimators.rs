//! Every estimator equals the reference within the rounding of f32, over the whole table of cases.

mod harness;
mod oracle;

use harness::cases::{self, Case};
use harness::check::{self, Tally};
use harness::data::{Inputs, single};
use harness::{bridge, tolerance};
use oracle::{dot, estimator};
use scatterbrain::{Method, Options, analysis, attention_with_stats};

/// Compares all cases, and demands that almost no row was beyond the reach of the bounds.
fn outputs(cases: impl Iterator<Item = Case>, largest_undecided_share: f64) -> Tally {
    let tally = check::all(cases, |case| case.name.clone(), |case| check::outputs(&case.inputs, &case.options));
    let share = tally.undecided as f64 / tally.rows as f64;
    assert!(share <= largest_undecided_share, "{tally:?}");
    tally
}

#[test]
fn outputs_equal_the_reference_at_every_size() {
    outputs(cases::sizes(false), 1e-3);
}

#[test]
fn causal_outputs_equal_the_reference_at_every_size() {
    outputs(cases::sizes(true), 1e-3);
}

#[test]
fn outputs_equal_the_reference_with_several_heads_and_masks() {
    outputs(cases::batches().into_iter(), 1e-3);
}

#[test]
fn outputs_equal_the_reference_from_flat_to_sharp() {
    let tally = outputs(cases::temperatures().into_iter(), 0.02);
    assert!(tally.fell_back > 0, "no row lost its mass, so falling back went untested: {tally:?}");
}

#[test]
fn outputs_equal_the_reference_with_explicit_supports() {
    outputs(cases::explicit_supports().into_iter(), 1e-3);
}

#[test]
fn decompositions_equal_the_reference() {
    let mut cases = vec![];
    for causal in [false, true] {
        for (n, temperature) in [0.03, 0.3, 1.0, 30.0].into_iter().enumerate() {
            let inputs = Inputs::normal(single(21, 35, 9, 4), 1.0, n as u64);
            for options in cases::estimators(35, 20, causal) {
                let key_lengths = (n % 2 == 0).then(|| vec![31]);
                let options = cases::clear(&inputs, Options { temperature, key_lengths, ..options });
                cases.push((inputs.clone(), options));
            }
        }
    }
    let check = |(inputs, options): &(Inputs, Options)| check::decomposition(inputs, options);
    let tally = check::all(cases.into_iter(), |(_, options)| format!("{options:?}"), check);
    assert!(tally.undecided * 50 <= tally.rows, "{tally:?}");
}

/// Bands that begin in the middle of what is computed together are the whole matrix to the bit.
#[test]
fn bands_of_rows_are_those_of_the_whole() {
    let inputs = Inputs::normal(single(150, 170, 12, 5), 1.0, 8);
    for causal in [false, true] {
        for options in cases::estimators(170, 40, causal) {
            let options = Options { key_lengths: causal.then(|| vec![140]), ..options };
            let whole = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let (mut entropy, mut entries) = (0.0, 0);
            for rows in [0..1, 1..70, 70..71, 71..150] {
                let seen =
                    analysis::decompose_rows(inputs.q(), inputs.k(), inputs.v(), &options, rows.clone()).unwrap();
                let part = rows.start * 170..rows.end * 170;
                assert_eq!((seen.queries, seen.keys), (rows.len(), 170));
                assert_eq!(seen.exact, whole.exact[part.clone()], "{options:?} {rows:?}");
                assert_eq!(seen.low_rank, whole.low_rank[part.clone()], "{options:?} {rows:?}");
                assert_eq!(seen.sparse, whole.sparse[part.clone()], "{options:?} {rows:?}");
                assert_eq!(seen.approximation, whole.approximation[part.clone()], "{options:?} {rows:?}");
                assert_eq!(seen.support, whole.support[part], "{options:?} {rows:?}");
                assert_eq!(seen.log_normalizer, whole.log_normalizer[rows.clone()]);
                assert_eq!(seen.exact_log_normalizer, whole.exact_log_normalizer[rows.clone()]);
                entropy += seen.entropy * rows.len() as f64;
                entries += seen.stats.support_entries;
            }
            assert!((entropy / 150.0 - whole.entropy).abs() < 1e-12);
            assert_eq!(entries, whole.stats.support_entries);
        }
    }
}

/// low_rank is f(q).f(k) / Z on every visible pair, sparse the rest of the approximation, which is zero off the support.
#[test]
fn the_two_parts_are_what_they_are_called() {
    let inputs = Inputs::normal(single(17, 29, 6, 4), 0.8, 3);
    for causal in [false, true] {
        for options in cases::estimators(29, 16, causal) {
            let options = cases::clear(&inputs, options);
            let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let reference = check::Reference::new(&inputs, &options, 0);
            let rounding = reference.rounding();
            for i in 0..17 {
                let expected = reference.row(&rounding, i);
                if !expected.bounds.decided() || expected.fell_back {
                    continue;
                }
                let ln_z = expected.row.log_normalizer();
                let everywhere = oracle::supports::Mask::empty(17, 29);
                let low_rank_row = estimator::estimate_row(&reference.head, &everywhere, reference.kernel.as_ref(), i);
                let bounds = rounding.row(i, &low_rank_row, &everywhere, reference.kernel.as_ref());
                for j in 0..29 {
                    let at = i * 29 + j;
                    let (low_rank, sparse) = (f64::from(seen.low_rank[at]), f64::from(seen.sparse[at]));
                    if seen.support[at] == 0 {
                        assert_eq!(sparse, 0.0, "{options:?} [{i}, {j}]");
                    }
                    let sum = low_rank + sparse - f64::from(seen.approximation[at]);
                    let size = low_rank.abs() + sparse.abs();
                    assert!(sum.abs() <= 4.0 * tolerance::UNIT * size, "{options:?} [{i}, {j}]: {low_rank} + {sparse}");
                    let wanted = low_rank_row.entries[j].relative_to(ln_z);
                    let own_scale = (low_rank_row.shift() + low_rank_row.mass().abs().ln() - ln_z).exp();
                    let bound = if reference.kernel.is_some() { bounds.entry[j] * own_scale } else { 0.0 }
                        + wanted.abs() * (expected.bounds.mass() + 4.0 * tolerance::UNIT);
                    assert!((low_rank - wanted).abs() <= bound, "{options:?} [{i}, {j}]: {low_rank}, not {wanted}");
                }
            }
        }
    }
}

#[test]
fn entropy_error_and_exact_matrix_equal_the_reference() {
    for causal in [false, true] {
        for temperature in [0.05, 1.0, 20.0] {
            let inputs = Inputs::normal(single(23, 31, 8, 5), 1.0, 8);
            let options = Options {
                support: Some(scatterbrain::Support::TopK { count: Some(4) }),
                features: Some(scatterbrain::Features::Elu),
                temperature,
                causal,
                key_lengths: Some(vec![27]),
                ..Options::default()
            };
            let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let exact = Options { method: Method::Exact, support: None, features: None, ..options.clone() };
            let tally = check::decomposition(&inputs, &exact).unwrap();
            assert_eq!(tally.undecided, 0);

            let reference = check::Reference::new(&inputs, &exact, 0);
            let (head, rounding) = (&reference.head, reference.rounding());
            let estimate = check::Reference::new(&inputs, &options, 0);
            let (mut outputs, mut estimates, mut mass_error) = (vec![], vec![], 0.0f64);
            for i in 0..head.queries {
                let row = reference.row(&rounding, i);
                mass_error = mass_error.max(row.bounds.mass());
                for (j, &p) in row.probabilities.iter().enumerate() {
                    let got = f64::from(seen.exact[i * head.keys + j]);
                    assert!((got - p).abs() <= row.bounds.probability(j, p), "exact [{i}, {j}] is {got}, not {p}");
                }
                let ln_z = row.row.log_normalizer();
                assert!((seen.exact_log_normalizer[i] - ln_z).abs() <= 2.0 * row.bounds.mass() + 1e-12 * ln_z.abs());
                outputs.extend(estimator::output_row(head, &row.probabilities));
                let row = estimate.row(&estimate.rounding(), i);
                mass_error = mass_error.max(row.bounds.mass());
                estimates.extend(estimator::output_row(head, &row.probabilities));
            }
            // d(-p ln p) = -(1 + ln p) dp, and no row has more than ln 31 of it.
            let wanted = estimator::entropy(head);
            let bound = 4.0 * mass_error * (1.0 + 31f64.ln());
            assert!((seen.entropy - wanted).abs() <= bound, "entropy {}, not {wanted}", seen.entropy);
            let wanted = estimator::relative_error(&estimates, &outputs);
            // |O| is at least a fifth of the largest value here, and an output is off by mass_error |v| at most.
            assert!(
                (seen.relative_error - wanted).abs() <= 10.0 * mass_error,
                "error {}, not {wanted}",
                seen.relative_error
            );
        }
    }
}

/// ViTALiTy as its paper writes it: (1'V + b Q G) / (n + b Q K^'1), K^ = K - mean, G = K^'V.
#[test]
fn vitality_is_the_published_formula() {
    let inputs = Inputs::normal(single(19, 40, 7, 6), 0.4, 4);
    let options = Options { method: Method::Vitality, ..Options::default() };
    let head = bridge::head(&inputs, &options, 0);
    let output = scatterbrain::attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
    let mean = oracle::mean((0..40).map(|j| head.key(j).to_vec()), 7);
    for i in 0..19 {
        let weight = |j: usize| {
            let centred: Vec<f64> = head.key(j).iter().zip(&mean).map(|(k, m)| k - m).collect();
            1.0 + head.b * dot(head.query(i), &centred)
        };
        let denominator: f64 = (0..40).map(weight).sum();
        // Keys are centred, so the denominator is n but for rounding, and nothing cancels.
        assert!((denominator - 40.0).abs() < 1e-9);
        for c in 0..6 {
            let wanted = (0..40).map(|j| weight(j) * head.value(j)[c]).sum::<f64>() / denominator;
            let got = f64::from(output.data[i * 6 + c]);
            let size: f64 = (0..40).map(|j| weight(j).abs() * head.value(j)[c].abs()).sum::<f64>() / denominator;
            let bound = tolerance::UNIT * (tolerance::growth(40) + tolerance::growth(8) + 8.0) * 2.0 * size;
            assert!((got - wanted).abs() <= bound, "[{i}, {c}]: {got}, not {wanted}, bound {bound:e}");
        }
    }
}

#[test]
fn statistics_say_what_was_done() {
    let inputs = Inputs::normal(single(33, 50, 8, 5), 1.0, 9);
    for options in cases::estimators(50, 12, false) {
        let options = cases::clear(&inputs, options);
        let (output, stats) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
        assert_eq!(output, scatterbrain::attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap());
        assert_eq!(stats.method, options.method);
        assert_eq!(stats.support_entries, bridge::mask(&inputs, &options, 0).count() as u64, "{options:?}");
        let features = match bridge::map(8, &options, 0) {
            None => 0,
            Some(oracle::kernel::Map::Favor { directions, hyperbolic, .. }) => {
                directions.len() << usize::from(hyperbolic)
            }
            Some(oracle::kernel::Map::Optimal { directions, .. }) => directions.len(),
            Some(oracle::kernel::Map::Elu) => 8,
            Some(oracle::kernel::Map::Taylor { order: 1 }) => 1 + 8,
            Some(oracle::kernel::Map::Taylor { .. }) => 1 + 8 + 8 * 9 / 2,
        };
        assert_eq!(stats.features, features, "{options:?}");
        assert!(stats.milliseconds >= 0.0 && stats.milliseconds.is_finite());
        assert_eq!(stats.instruction_set, scatterbrain::instruction_set());
    }
}

#[test]
fn a_sweep_is_one_decomposition_per_temperature_and_method() {
    let inputs = Inputs::normal(single(30, 40, 8, 5), 1.0, 10);
    let options = Options {
        support: Some(scatterbrain::Support::TopK { count: Some(5) }),
        features: Some(scatterbrain::Features::Favor {
            count: Some(16),
            hyperbolic: false,
            center: true,
            balance: false,
        }),
        ..Options::default()
    };
    let (temperatures, methods) = ([0.1, 1.0, 10.0], [Method::Sparse, Method::LowRank, Method::Scatterbrain]);
    let points = analysis::sweep(inputs.q(), inputs.k(), inputs.v(), &options, &temperatures, &methods).unwrap();
    assert_eq!(points.len(), 3);
    for (point, temperature) in points.iter().zip(temperatures) {
        assert_eq!(point.temperature, temperature);
        for ((method, error), wanted) in point.errors.iter().zip(methods) {
            assert_eq!(*method, wanted);
            let mut options = Options { method: wanted, temperature, ..options.clone() };
            match wanted {
                Method::Sparse => options.features = None,
                Method::LowRank => options.support = None,
                _ => {}
            }
            let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            assert!(
                (seen.relative_error - error).abs() <= 1e-5 * error,
                "{wanted} at {temperature}: {error}, not {}",
                seen.relative_error
            );
            assert!((seen.entropy - point.entropy).abs() <= 1e-5 * seen.entropy);
        }
    }
}
