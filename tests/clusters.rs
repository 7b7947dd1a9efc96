//! Clusters of keys and their landmarks: held against what must follow from the keys, since no reference knows the tree.

mod harness;
mod oracle;

use harness::clusters::{full_budget, limit, rows};
use harness::data::{Inputs, Random, single};
use harness::{bridge, cases};
use oracle::estimator::relative_error;
use scatterbrain::{Features, Method, Options, Support, Tensor, analysis, attention, attention_with_stats};

fn run(inputs: &Inputs, options: &Options) -> Tensor {
    attention(inputs.q(), inputs.k(), inputs.v(), options).unwrap_or_else(|e| panic!("{options:?}: {e}"))
}

fn bits(inputs: &Inputs, options: &Options) -> Vec<u32> {
    run(inputs, options).data.iter().map(|x| x.to_bits()).collect()
}

fn exact(options: &Options) -> Options {
    Options { method: Method::Exact, support: None, features: None, ..options.clone() }
}

fn error(inputs: &Inputs, options: &Options, wanted: &Tensor) -> f64 {
    relative_error(&bridge::wide(&run(inputs, options).data), &bridge::wide(&wanted.data))
}

/// Landmarks beside clusters and alone, with `count` nodes for each part.
fn landmarks(count: usize, causal: bool) -> [Options; 2] {
    let count = Some(count);
    let alone = Options {
        method: Method::LowRank,
        features: Some(Features::Landmarks { count }),
        causal,
        ..Options::default()
    };
    [Options { method: Method::Scatterbrain, support: Some(Support::Clusters { count }), ..alone.clone() }, alone]
}

/// Shorter than a block, than the first keys that are always exact, a single key; more queries than keys and fewer.
#[test]
fn a_budget_for_every_node_is_exact_attention_at_every_size() {
    let mut failures = vec![];
    for n in cases::SIZES {
        let shapes = [single(n, 19, 5, 7), single(9, n, 5, 7), single(70, n, 5, 7), single(9, 40, n, 7)];
        for (which, shape) in shapes.into_iter().chain([single(9, 40, 5, n), single(n, n, 4, 3)]).enumerate() {
            let inputs = Inputs::normal(shape, 1.0, (n * 6 + which) as u64);
            for temperature in [1e-3, 0.1, 1.0, 10.0, 1e3] {
                for causal in [false, true] {
                    let options = Options { temperature, causal, ..Options::default() };
                    if let Err(what) = full_budget(&inputs, &options) {
                        failures.push(format!("{shape:?}, temperature {temperature}, causal {causal}: {what}"));
                    }
                }
            }
        }
    }
    let first: Vec<&str> = failures.iter().map(String::as_str).take(8).collect();
    assert!(failures.is_empty(), "{} calls fail, first\n  {}", failures.len(), first.join("\n  "));
}

#[test]
fn a_budget_for_every_node_is_exact_attention_with_several_trees() {
    for (queries, keys) in [(300, 300), (300, 170), (170, 300)] {
        let inputs = Inputs::normal(single(queries, keys, 16, 9), 1.0, 1);
        for temperature in [1e-3, 1e-2, 0.1, 1.0, 10.0, 1e2, 1e3] {
            for causal in [false, true] {
                let options = Options { temperature, causal, ..Options::default() };
                full_budget(&inputs, &options).unwrap_or_else(|e| panic!("{queries} x {keys} {options:?}: {e}"));
            }
        }
    }
}

#[test]
fn every_row_is_exact_keys_and_clusters_of_one_weight() {
    for (queries, keys) in [(50, 70), (70, 50), (20, 150), (150, 150), (5, 3), (40, 1), (200, 140)] {
        let inputs = Inputs::normal(single(queries, keys, 8, 5), 1.0, (queries + keys) as u64);
        for causal in [false, true] {
            for temperature in [0.2, 1.0, 5.0] {
                for count in [1, 6, keys.div_ceil(4), keys] {
                    for options in landmarks(count, causal) {
                        for length in [keys, keys.div_ceil(2)] {
                            let lengths = Some(vec![length]);
                            let options = Options { temperature, key_lengths: lengths, ..options.clone() };
                            rows(&inputs, &options).unwrap_or_else(|e| panic!("{queries} x {keys} {options:?}: {e}"));
                        }
                    }
                }
            }
        }
    }
}

/// Softmax over what the walk left single, whatever that is.
#[test]
fn sparse_clusters_are_softmax_over_their_support() {
    let (queries, keys) = (90, 110);
    let inputs = Inputs::normal(single(queries, keys, 8, 5), 1.0, 3);
    for causal in [false, true] {
        for count in [3, 30] {
            let support = Some(Support::Clusters { count: Some(count) });
            let options = Options { method: Method::Sparse, support, causal, ..Options::default() };
            let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let explicit =
                cases::explicit(queries, |i| (0..keys).filter(|&j| seen.support[i * keys + j] != 0).collect());
            assert_eq!(run(&inputs, &options), run(&inputs, &Options { support: Some(explicit), ..options.clone() }));
            for i in 0..queries {
                let entries = seen.support[i * keys..(i + 1) * keys].iter().filter(|&&x| x != 0).count();
                // Where the budget ends among clusters, the walk goes on until it has reached some keys.
                let most = limit(i, keys, causal, count).max(32);
                assert!((1..=most).contains(&entries), "row {i} of {options:?} has {entries} entries");
            }
        }
    }
}

#[test]
fn no_row_spends_more_than_its_budget() {
    let (queries, keys) = (170, 150);
    // Few dimensions and a wide spread: some clusters have but two keys.
    let inputs = Inputs::normal(single(queries, keys, 2, 4), 3.0, 4);
    for causal in [false, true] {
        for count in [1, 4, 15, 60] {
            for (options, budget) in landmarks(count, causal).into_iter().zip([2 * count, count]) {
                let (_, stats) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                let ones = seen.support.iter().filter(|&&x| x != 0).count() as u64;
                assert_eq!((stats.support_entries, seen.stats.support_entries), (ones, ones), "{options:?}");
                assert_eq!(stats.features, seen.stats.features, "{options:?}");
                let limits = (0..queries).map(|i| limit(i, keys, causal, budget));
                for (i, most) in limits.clone().enumerate() {
                    let entries = seen.support[i * keys..(i + 1) * keys].iter().filter(|&&x| x != 0).count();
                    assert!(entries <= most, "{options:?}: row {i} has {entries} entries");
                }
                // Features are a mean over rows, rounded up.
                let features = (stats.features as u64 - 1) * queries as u64;
                let most = limits.sum::<usize>() as u64;
                assert!(ones + features < most, "{options:?}: {ones} entries, {} features", stats.features);
            }
        }
    }
}

#[test]
fn causal_rows_do_not_depend_on_the_future_across_blocks() {
    let (tokens, dim, value_dim) = (150, 7, 5);
    let inputs = Inputs::normal(single(tokens, tokens, dim, value_dim), 1.0, 5);
    for first in [1, 4, 31, 32, 33, 63, 64, 65, 97, 128, 149] {
        let mut changed = inputs.clone();
        for (x, width, deviation) in
            [(&mut changed.q, dim, 30.0), (&mut changed.k, dim, 1e10), (&mut changed.v, value_dim, 50.0)]
        {
            let future = &mut x[first * width..];
            future.copy_from_slice(&Random::new(6).normals(future.len(), deviation));
        }
        for options in cases::clustered(tokens, true).into_iter().chain(landmarks(7, true)) {
            let (before, after) = (bits(&inputs, &options), bits(&changed, &options));
            let differs = (0..first * value_dim).find(|&n| before[n] != after[n]).map(|n| n / value_dim);
            assert_eq!(differs, None, "{options:?}: a change from {first} on reached an earlier row");
            assert_ne!(before, after, "{options:?}: nothing changed from {first} on");
        }
    }
}

#[test]
fn same_seed_same_bits_and_another_seed_other_bits() {
    let inputs = Inputs::normal(single(150, 150, 8, 4), 1.0, 7);
    for causal in [false, true] {
        for options in cases::clustered(150, causal) {
            let first = bits(&inputs, &options);
            assert_eq!(first, bits(&inputs, &options), "{options:?}");
            for seed in [1, 1 << 40] {
                assert_ne!(first, bits(&inputs, &Options { seed, ..options.clone() }), "{options:?} and seed {seed}");
            }
        }
    }
}

/// k-means cannot divide equal keys, and one landmark for all of them is exact.
#[test]
fn equal_keys_are_exact_at_any_budget_and_few_different_ones_at_a_full_one() {
    for different in [1, 2, 3] {
        let mut inputs = Inputs::normal(single(40, 200, 6, 5), 1.0, 8);
        for j in different..200 {
            inputs.k.copy_within(j % different * 6..(j % different + 1) * 6, j * 6);
        }
        for causal in [false, true] {
            full_budget(&inputs, &Options { causal, ..Options::default() }).unwrap();
            for count in [1, 30, 100] {
                for options in landmarks(count, causal) {
                    let wanted = run(&inputs, &exact(&options));
                    let off = error(&inputs, &options, &wanted);
                    assert!(off.is_finite() && (different > 1 || off <= 1e-5), "{options:?}: off by {off:e}");
                }
            }
        }
    }
}

/// Trees of several levels, whose distances are of squares of what logits are.
#[test]
fn numbers_of_every_size_give_finite_output() {
    let base = Inputs::normal(single(100, 300, 5, 3), 1.0, 12);
    for scale in [1e-42, f32::MIN_POSITIVE, 1e-20, 1e10, 1e19, f32::MAX / 8.0] {
        let scaled = |x: &[f32]| -> Vec<f32> { x.iter().map(|x| x * scale).collect() };
        let inputs = Inputs { shape: base.shape, q: scaled(&base.q), k: scaled(&base.k), v: scaled(&base.v) };
        for temperature in [1e-30, 1.0, 1e30] {
            for causal in [false, true] {
                for options in cases::clustered(300, causal) {
                    let options = Options { temperature, ..options };
                    let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                    let matrices = [seen.low_rank, seen.sparse, seen.approximation, run(&inputs, &options).data];
                    let finite = matrices.iter().flatten().all(|x| x.is_finite()) && seen.relative_error.is_finite();
                    assert!(finite, "{options:?}, inputs times {scale:e}");
                }
            }
        }
    }
}

/// No key at all: nothing to make a tree of.
#[test]
fn a_head_of_padding_is_zero() {
    let inputs = Inputs::normal(single(40, 60, 6, 5), 1.0, 13);
    for causal in [false, true] {
        for options in cases::clustered(60, causal) {
            let options = Options { key_lengths: Some(vec![0]), ..options };
            let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            assert!(run(&inputs, &options).data.iter().all(|&x| x == 0.0), "{options:?}");
            assert!(seen.approximation.iter().chain(&seen.low_rank).all(|&x| x == 0.0), "{options:?}");
            assert_eq!((seen.relative_error, seen.stats.support_entries), (0.0, 0), "{options:?}");
            assert!(seen.log_normalizer.iter().all(|&z| z == f64::NEG_INFINITY), "{options:?}");
        }
    }
}

#[test]
fn landmarks_need_clusters() {
    let inputs = Inputs::normal(single(40, 60, 6, 5), 1.0, 9);
    let features = Some(Features::Landmarks { count: None });
    for support in [Support::Window { size: None }, Support::TopK { count: Some(4) }] {
        let options = Options { support: Some(support), features: features.clone(), ..Options::default() };
        let refused = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap_err();
        assert_eq!(refused.code(), "Unsupported", "{refused}");
        let message = refused.to_string();
        for name in ["features.kind \"landmarks\"", "support.kind"] {
            assert!(message.contains(name), "{message:?} does not name {name}");
        }
    }
}

/// Each part left out is the other's partner, in sweeps too.
#[test]
fn sweeps_run_each_method_with_the_partner_of_the_part_given() {
    let inputs = Inputs::normal(single(100, 200, 8, 5), 1.0, 10);
    let methods = [Method::Exact, Method::Sparse, Method::LowRank, Method::Scatterbrain, Method::Vitality];
    let favor = Features::Favor { count: None, hyperbolic: false, center: false, balance: false };
    let smyrf = Support::Smyrf { cluster: None, rounds: None };
    let (clusters, landmarks) = (Support::Clusters { count: None }, Features::Landmarks { count: None });
    let given = |support: Option<&Support>, features: Option<&Features>| Options {
        support: support.cloned(),
        features: features.cloned(),
        ..Options::default()
    };
    let cases = [
        (given(Some(&smyrf), None), &smyrf, &favor),
        (given(None, Some(&favor)), &smyrf, &favor),
        (given(None, None), &clusters, &landmarks),
        (given(Some(&clusters), None), &clusters, &landmarks),
        (given(None, Some(&landmarks)), &clusters, &landmarks),
    ];
    for (options, support, features) in cases {
        let points =
            analysis::sweep(inputs.q(), inputs.k(), inputs.v(), &options, &[0.1, 1.0, 10.0], &methods).unwrap();
        for point in points {
            for (method, seen) in point.errors {
                let parts = match method {
                    Method::Exact => given(None, None),
                    Method::Sparse => given(Some(support), None),
                    Method::LowRank => given(None, Some(features)),
                    Method::Vitality => given(options.support.as_ref(), None),
                    _ => given(Some(support), Some(features)),
                };
                let own = Options { method, temperature: point.temperature, ..parts };
                let wanted = error(&inputs, &own, &run(&inputs, &exact(&own)));
                assert!((seen - wanted).abs() <= 1e-9 + 1e-6 * wanted, "{own:?}: {seen}, not {wanted}");
            }
        }
    }
}

/// Two numbers that are valid each need not have a valid quotient.
#[test]
fn a_logit_scale_beyond_all_numbers_gives_finite_output() {
    let inputs = Inputs::normal(single(70, 90, 6, 5), 1.0, 11);
    for (scale, temperature) in [(1e300, 1e-30), (1e-300, 1e30)] {
        for causal in [false, true] {
            for options in cases::estimators(90, 12, causal).into_iter().chain(cases::clustered(90, causal)) {
                let options = Options { scale: Some(scale), temperature, ..options };
                let output = run(&inputs, &options);
                assert!(output.data.iter().all(|x| x.is_finite()), "{options:?}");
            }
        }
    }
}

/// A vector added to every key moves all logits of a row alike: softmax does not see it, and clusters should not.
#[test]
fn a_shift_common_to_all_keys_costs_no_accuracy() {
    let (tokens, dim) = (600, 16);
    let inputs = Inputs::normal(single(tokens, tokens, dim, 8), 1.5, 14);
    let mut shifted = inputs.clone();
    shifted
        .k
        .chunks_exact_mut(dim)
        .for_each(|key| key.iter_mut().zip(0..).for_each(|(x, d)| *x += 1e4 * (d % 3) as f32));
    for causal in [false, true] {
        let options = Options { method: Method::Scatterbrain, budget: Some(0.1), causal, ..Options::default() };
        let error = |inputs: &Inputs| error(inputs, &options, &run(inputs, &exact(&options)));
        let (plain, moved) = (error(&inputs), error(&shifted));
        assert!(moved < 1.1 * plain, "causal {causal}: {plain} became {moved}");
    }
}
