//! Properties that every estimator shares.

mod harness;
mod oracle;

use harness::cases;
use harness::check::Reference;
use harness::data::{Inputs, Random, single};
use oracle::estimator;
use scatterbrain::{Features, Method, Options, Shape, Support, Tensor, analysis, attention};

fn run(inputs: &Inputs, options: &Options) -> Tensor {
    attention(inputs.q(), inputs.k(), inputs.v(), options).unwrap_or_else(|e| panic!("{options:?}: {e}"))
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn is_random(options: &Options) -> bool {
    matches!(options.support, Some(Support::Lsh { .. } | Support::Smyrf { .. } | Support::Clusters { .. }))
        || matches!(
            options.features,
            Some(Features::Favor { .. } | Features::Optimal { .. } | Features::Landmarks { .. })
        )
}

#[test]
fn rows_sum_to_one_or_to_zero_when_fully_masked() {
    let shape = Shape { batch: 3, heads: 2, queries: 17, keys: 26, dim: 6, value_dim: 3, kv_heads: 1 };
    let mut inputs = Inputs::normal(shape, 0.8, 1);
    inputs.v.fill(1.0);
    for causal in [false, true] {
        for options in cases::estimators(26, 12, causal) {
            let options = cases::clear(&inputs, Options { key_lengths: Some(vec![26, 0, 9]), ..options });
            let output = run(&inputs, &options);
            for slice in 0..6 {
                let reference = Reference::new(&inputs, &options, slice);
                let rounding = reference.rounding();
                for i in 0..17 {
                    let row = &output.data[(slice * 17 + i) * 3..(slice * 17 + i + 1) * 3];
                    if slice / 2 == 1 {
                        assert_eq!(row, [0.0; 3], "{options:?}: a fully masked row is not zero");
                        continue;
                    }
                    let expected = reference.row(&rounding, i);
                    if expected.row.mass() == 0.0 {
                        // Sparse attention with no key in the support.
                        assert_eq!(row, [0.0; 3], "{options:?} row {i}");
                        continue;
                    }
                    let bounds = expected.bounds;
                    // Numerator and denominator sum the same numbers, so only the sums' own rounding is left.
                    let bound = 4.0 * bounds.summation * bounds.size.iter().sum::<f64>().max(1.0);
                    for &sum in row {
                        assert!((f64::from(sum) - 1.0).abs() <= bound, "{options:?} row {i}: {sum}, bound {bound:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_of_the_matrix_sum_to_one_or_to_zero_when_fully_masked() {
    let inputs = Inputs::normal(single(17, 26, 6, 3), 0.8, 2);
    for causal in [false, true] {
        for options in cases::estimators(26, 12, causal).into_iter().chain(cases::clustered(26, causal)) {
            for (length, wanted) in [(26, 1.0), (9, 1.0), (0, 0.0)] {
                let options = cases::clear(&inputs, Options { key_lengths: Some(vec![length]), ..options.clone() });
                let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                for (matrix, is_estimate) in [(&seen.exact, false), (&seen.approximation, true)] {
                    for (i, row) in matrix.chunks_exact(26).enumerate() {
                        let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
                        let size: f64 = row.iter().map(|&p| f64::from(p).abs()).sum();
                        let support = &seen.support[i * 26..(i + 1) * 26];
                        let empty = is_estimate && options.method == Method::Sparse && !support.contains(&1);
                        let wanted = if empty { 0.0 } else { wanted };
                        assert!((sum - wanted).abs() <= 1e-5 * size, "{options:?}, length {length}: {sum}");
                    }
                }
            }
        }
    }
}

#[test]
fn output_is_the_matrix_times_the_values() {
    let inputs = Inputs::normal(single(33, 50, 8, 19), 1.0, 3);
    for causal in [false, true] {
        for options in cases::estimators(50, 24, causal) {
            let options = cases::clear(&inputs, Options { temperature: 0.5, key_lengths: Some(vec![45]), ..options });
            let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let output = run(&inputs, &options);
            let reference = Reference::new(&inputs, &options, 0);
            let rounding = reference.rounding();
            for i in 0..33 {
                let expected = reference.row(&rounding, i);
                if !expected.bounds.decided() {
                    continue;
                }
                let matrix = harness::bridge::wide(&seen.approximation[i * 50..(i + 1) * 50]);
                for (c, wanted) in estimator::output_row(&reference.head, &matrix).into_iter().enumerate() {
                    let got = f64::from(output.data[i * 19 + c]);
                    let bound = 2.0 * expected.bounds.output(&reference.head, c, wanted);
                    assert!(
                        (got - wanted).abs() <= bound,
                        "{options:?} [{i}, {c}]: {got}, matrix times values {wanted}"
                    );
                }
            }
        }
    }
}

/// Estimators that do not look at the order of keys.
fn order_free(queries: usize, keys: usize) -> Vec<Options> {
    let supports = [Support::TopK { count: Some(keys / 4) }, cases::ragged(queries, keys)];
    let mut all = vec![Options { method: Method::Exact, ..Options::default() }];
    for features in cases::maps(16, false) {
        all.push(Options { features: Some(features.clone()), ..Options::default() });
        for support in &supports {
            all.push(Options {
                support: Some(support.clone()),
                features: Some(features.clone()),
                ..Options::default()
            });
        }
    }
    all.extend(supports.map(|support| Options { support: Some(support), ..Options::default() }));
    all
}

#[test]
fn permuting_keys_together_with_values_changes_nothing() {
    let (queries, keys, dim, value_dim) = (20, 36, 7, 5);
    let inputs = Inputs::normal(single(queries, keys, dim, value_dim), 1.0, 4);
    let order = Random::new(5).permutation(keys);
    let mut permuted = inputs.clone();
    for (to, &from) in order.iter().enumerate() {
        permuted.k[to * dim..(to + 1) * dim].copy_from_slice(&inputs.k[from * dim..(from + 1) * dim]);
        let value = &inputs.v[from * value_dim..(from + 1) * value_dim];
        permuted.v[to * value_dim..(to + 1) * value_dim].copy_from_slice(value);
    }
    let mut place = vec![0; keys];
    order.iter().enumerate().for_each(|(to, &from)| place[from] = to as u32);

    for options in order_free(queries, keys) {
        let mut moved = options.clone();
        if let Some(Support::Explicit { indices, .. }) = &mut moved.support {
            indices.iter_mut().for_each(|j| *j = place[*j as usize]);
        }
        let (before, after) = (run(&inputs, &options), run(&permuted, &moved));
        // An estimator with no random part but its method needs the reference's method to be told.
        let reference = Reference::new(&inputs, &named(&options), 0);
        let rounding = reference.rounding();
        for i in 0..queries {
            let bounds = reference.row(&rounding, i).bounds;
            for c in (0..value_dim).filter(|_| bounds.decided()) {
                let (x, y) = (f64::from(before.data[i * value_dim + c]), f64::from(after.data[i * value_dim + c]));
                let bound = 2.0 * bounds.output(&reference.head, c, x);
                assert!((x - y).abs() <= bound, "{options:?} [{i}, {c}]: {x} became {y}, bound {bound:e}");
            }
        }
    }
}

/// The same call with `Auto` replaced by what it stands for.
fn named(options: &Options) -> Options {
    let method = match (&options.support, &options.features, options.method) {
        (Some(_), Some(_), Method::Auto) => Method::Scatterbrain,
        (Some(_), None, Method::Auto) => Method::Sparse,
        (None, Some(_), Method::Auto) => Method::LowRank,
        (_, _, method) => method,
    };
    Options { method, ..options.clone() }
}

#[test]
fn auto_is_the_method_that_the_given_parts_name() {
    let inputs = Inputs::normal(single(20, 150, 7, 5), 1.0, 6);
    for options in cases::estimators(150, 16, false).into_iter().chain(cases::clustered(150, false)) {
        let auto = Options { method: Method::Auto, ..options.clone() };
        if named(&auto) == options {
            assert_eq!(bits(&run(&inputs, &auto).data), bits(&run(&inputs, &options).data), "{options:?}");
        }
    }
    let everything = Options { budget: Some(1.0), ..Options::default() };
    let exact = Options { method: Method::Exact, ..Options::default() };
    assert_eq!(run(&inputs, &everything), run(&inputs, &exact), "a budget that covers every key");
    let few = Inputs::normal(single(20, 128, 7, 5), 1.0, 7);
    assert_eq!(run(&few, &Options::default()), run(&few, &exact), "128 keys");
    assert_ne!(run(&inputs, &Options::default()), run(&inputs, &exact), "150 keys");
}

#[test]
fn grouped_query_attention_equals_repeating_keys_and_values() {
    let shape = Shape { batch: 2, heads: 6, queries: 14, keys: 20, dim: 5, value_dim: 4, kv_heads: 2 };
    let grouped = Inputs::normal(shape, 1.0, 8);
    let mut repeated = Inputs { shape: Shape { kv_heads: 6, ..shape }, k: vec![], v: vec![], ..grouped.clone() };
    for slice in 0..12 {
        let (_, k, v) = grouped.slice(slice);
        repeated.k.extend_from_slice(k);
        repeated.v.extend_from_slice(v);
    }
    for causal in [false, true] {
        for options in cases::estimators(20, 10, causal).into_iter().chain(cases::clustered(20, causal)) {
            assert_eq!(bits(&run(&grouped, &options).data), bits(&run(&repeated, &options).data), "{options:?}");
        }
    }
}

#[test]
fn same_seed_same_bits_and_another_seed_other_bits() {
    let inputs = Inputs::normal(single(40, 60, 8, 4), 1.0, 9);
    for causal in [false, true] {
        for options in cases::estimators(60, 12, causal) {
            let first = bits(&run(&inputs, &options).data);
            assert_eq!(first, bits(&run(&inputs, &options).data), "{options:?}");
            // Seeds that differ in high bits only must differ too.
            for seed in [1, 1 << 40] {
                let other = bits(&run(&inputs, &Options { seed, ..options.clone() }).data);
                assert_eq!(first != other, is_random(&options), "{options:?} and seed {seed}");
            }
        }
    }
}

#[test]
fn heads_and_sequences_draw_their_own_directions() {
    let shape = Shape { batch: 2, heads: 2, queries: 40, keys: 60, dim: 8, value_dim: 4, kv_heads: 2 };
    let one = Inputs::normal(single(40, 60, 8, 4), 1.0, 10);
    let inputs = Inputs { shape, q: one.q.repeat(4), k: one.k.repeat(4), v: one.v.repeat(4) };
    for options in cases::estimators(60, 12, false).into_iter().chain(cases::clustered(60, false)) {
        let output = run(&inputs, &options);
        let slices: Vec<_> = output.data.chunks_exact(40 * 4).map(bits).collect();
        for a in 0..4 {
            for b in 0..a {
                assert_eq!(slices[a] != slices[b], is_random(&options), "{options:?}: slices {a} and {b}");
            }
        }
    }
}

#[test]
fn a_head_does_not_depend_on_other_heads() {
    let shape = Shape { batch: 2, heads: 3, queries: 15, keys: 22, dim: 6, value_dim: 4, kv_heads: 3 };
    let inputs = Inputs::normal(shape, 1.0, 11);
    for causal in [false, true] {
        for options in cases::estimators(22, 12, causal).into_iter().chain(cases::clustered(22, causal)) {
            let all = run(&inputs, &options);
            for slice in 0..6 {
                let (q, k, v) = inputs.slice(slice);
                let mine = bits(&all.data[slice * 15 * 4..(slice + 1) * 15 * 4]);
                // Alone: the first slice of a call and any head without random numbers.
                if slice == 0 || !is_random(&options) {
                    let alone = Inputs { shape: single(15, 22, 6, 4), q: q.to_vec(), k: k.to_vec(), v: v.to_vec() };
                    assert_eq!(mine, bits(&run(&alone, &options).data), "{options:?}: slice {slice} alone");
                }
                // In other company.
                let mut others = Inputs::normal(shape, 3.0, 12);
                others.q[slice * q.len()..(slice + 1) * q.len()].copy_from_slice(q);
                others.k[slice * k.len()..(slice + 1) * k.len()].copy_from_slice(k);
                others.v[slice * v.len()..(slice + 1) * v.len()].copy_from_slice(v);
                let output = run(&others, &options);
                assert_eq!(
                    mine,
                    bits(&output.data[slice * 15 * 4..(slice + 1) * 15 * 4]),
                    "{options:?}: slice {slice}"
                );
            }
        }
    }
}

/// Outputs of positive weights lie between the smallest and the largest value.
#[test]
fn positive_weights_keep_outputs_among_the_values() {
    let inputs = Inputs::normal(single(30, 45, 8, 6), 2.0, 13);
    for temperature in [1e-3, 0.1, 1.0, 1e3] {
        for options in cases::estimators(45, 12, false).into_iter().chain(cases::clustered(45, false)) {
            let positive =
                options.method != Method::Vitality && options.features != Some(Features::Taylor { order: 1 });
            for output in
                run(&inputs, &Options { temperature, ..options.clone() }).data.chunks_exact(6).filter(|_| positive)
            {
                for (c, &o) in output.iter().enumerate() {
                    let column = inputs.v.iter().skip(c).step_by(6);
                    let (low, high) = column.fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
                    assert!(o >= low - 1e-5 && o <= high + 1e-5, "{options:?}: {o} is not in {low}..{high}");
                }
            }
        }
    }
}
