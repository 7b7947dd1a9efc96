//! Who is in the support: each kind against a plain construction, and what it promises.

mod harness;
mod oracle;

use harness::data::{Inputs, single};
use harness::{bridge, cases, tolerance};
use oracle::supports::Mask;
use scatterbrain::{Method, Options, Shape, Support, analysis, attention_with_stats};

fn sparse(support: Support) -> Options {
    Options { method: Method::Sparse, support: Some(support), ..Options::default() }
}

fn support_of(inputs: &Inputs, options: &Options) -> Mask {
    let seen =
        analysis::decompose(inputs.q(), inputs.k(), inputs.v(), options).unwrap_or_else(|e| panic!("{options:?}: {e}"));
    assert!(seen.support.iter().all(|&bit| bit <= 1));
    let mask = Mask::from_bytes(&seen.support, inputs.shape.keys);
    assert_eq!(seen.stats.support_entries, mask.count() as u64, "{options:?}");
    mask
}

#[test]
fn windows_have_the_edges_that_are_written_down() {
    let inputs = Inputs::normal(single(12, 12, 3, 2), 1.0, 1);
    let row = |size, causal, i| {
        let options = Options { causal, ..sparse(Support::Window { size: Some(size) }) };
        support_of(&inputs, &options).row(i)
    };
    // -floor(c/2) <= j - i < ceil(c/2).
    assert_eq!(row(1, false, 5), [5]);
    assert_eq!(row(2, false, 5), [4, 5]);
    assert_eq!(row(3, false, 5), [4, 5, 6]);
    assert_eq!(row(4, false, 5), [3, 4, 5, 6]);
    assert_eq!(row(5, false, 5), [3, 4, 5, 6, 7]);
    assert_eq!(row(4, false, 0), [0, 1]);
    assert_eq!(row(5, false, 0), [0, 1, 2]);
    assert_eq!(row(4, false, 11), [9, 10, 11]);
    // i - c < j <= i.
    assert_eq!(row(1, true, 5), [5]);
    assert_eq!(row(2, true, 5), [4, 5]);
    assert_eq!(row(3, true, 5), [3, 4, 5]);
    assert_eq!(row(4, true, 2), [0, 1, 2]);
    assert_eq!(row(12, true, 11), (0..12).collect::<Vec<_>>());
}

#[test]
fn windows_equal_their_definition_for_every_size_and_shape() {
    for (queries, keys) in [(20, 20), (9, 31), (31, 9), (1, 17), (17, 1)] {
        let inputs = Inputs::normal(single(queries, keys, 3, 2), 1.0, 2);
        for size in (1..=70).chain([1000, 1 << 30]) {
            for causal in [false, true] {
                for length in [keys, keys / 2] {
                    let window = sparse(Support::Window { size: Some(size) });
                    let options = Options { causal, key_lengths: Some(vec![length]), ..window };
                    assert_eq!(support_of(&inputs, &options), bridge::mask(&inputs, &options, 0), "{options:?}");
                }
            }
        }
    }
}

#[test]
fn top_k_picks_the_largest_logits() {
    for (seed, (queries, keys, dim)) in [(33, 50, 16), (7, 130, 3), (64, 64, 64)].into_iter().enumerate() {
        let inputs = Inputs::normal(single(queries, keys, dim, 2), 1.0, seed as u64);
        for count in [1, 2, 15, 16, 17, keys - 1, keys, keys + 5] {
            for causal in [false, true] {
                let options = Options {
                    causal,
                    key_lengths: Some(vec![keys - 2]),
                    ..sparse(Support::TopK { count: Some(count) })
                };
                let mask = support_of(&inputs, &options);
                let head = bridge::head(&inputs, &options, 0);
                for i in 0..queries {
                    let chosen = mask.row(i);
                    assert_eq!(chosen.len(), count.min(head.visible_keys(i)), "{options:?} row {i}");
                    assert!(chosen.iter().all(|&j| head.visible(i, j)), "{options:?} row {i}: {chosen:?}");
                    let smallest = chosen.iter().map(|&j| head.logit(i, j)).fold(f64::INFINITY, f64::min);
                    let missed = (0..keys).filter(|&j| head.visible(i, j) && !chosen.contains(&j));
                    for j in missed {
                        // Two logits closer than the rounding of a product may change places.
                        let size = head.b * oracle::norm(head.query(i)) * oracle::norm(head.key(j));
                        let bound = 2.0 * tolerance::UNIT * (tolerance::growth(dim) + 3.0) * size;
                        assert!(head.logit(i, j) <= smallest + bound, "{options:?} row {i} left out {j}");
                    }
                }
            }
        }
    }
}

#[test]
fn top_k_with_ties_keeps_its_count() {
    let mut inputs = Inputs::normal(single(10, 40, 4, 2), 1.0, 3);
    inputs.k = inputs.k[..4].repeat(40);
    for causal in [false, true] {
        let options = Options { causal, ..sparse(Support::TopK { count: Some(7) }) };
        let mask = support_of(&inputs, &options);
        for i in 0..10 {
            assert_eq!(mask.row(i).len(), if causal { (i + 1).min(7) } else { 7 });
        }
    }
}

#[test]
fn bucket_supports_equal_the_union_of_shared_buckets() {
    for (seed, dim) in [1, 2, 5, 8, 33].into_iter().enumerate() {
        let inputs = Inputs::normal(single(50, 60, dim, 2), 1.0, 20 + seed as u64);
        for rounds in [1, 2, 3, 8] {
            for causal in [false, true] {
                for length in [60, 37] {
                    let lsh = sparse(Support::Lsh { rounds: Some(rounds), chunk: None });
                    let options = Options { causal, key_lengths: Some(vec![length]), seed: 7, ..lsh };
                    assert_eq!(
                        support_of(&inputs, &options),
                        bridge::mask(&inputs, &options, 0),
                        "{options:?}, dim {dim}"
                    );
                }
            }
        }
    }
}

#[test]
fn causal_chunks_are_the_latest_keys_of_the_bucket() {
    for (seed, dim) in [1, 2, 6].into_iter().enumerate() {
        let inputs = Inputs::normal(single(70, 60, dim, 2), 1.0, 30 + seed as u64);
        for (rounds, chunk) in [(1, 1), (1, 5), (2, 3), (3, 8), (2, 100)] {
            for length in [60, 41] {
                let lsh = sparse(Support::Lsh { rounds: Some(rounds), chunk: Some(chunk) });
                let options = Options { causal: true, key_lengths: Some(vec![length]), ..lsh };
                assert_eq!(support_of(&inputs, &options), bridge::mask(&inputs, &options, 0), "{options:?}, dim {dim}");
            }
        }
    }
}

/// Keys in the order (bucket, position), cut into equal chunks; a query has the chunk with the middle of its bucket.
#[test]
fn sorted_chunks_are_equal_parts_of_the_keys_by_bucket() {
    for (seed, (dim, chunk, length)) in
        [(6, 8, 60), (6, 7, 60), (3, 13, 41), (16, 1, 60), (2, 60, 60)].into_iter().enumerate()
    {
        let inputs = Inputs::normal(single(50, 60, dim, 2), 1.0, 40 + seed as u64);
        let lsh = sparse(Support::Lsh { rounds: Some(1), chunk: Some(chunk) });
        let options = Options { key_lengths: Some(vec![length]), ..lsh };
        let mask = support_of(&inputs, &options);
        let buckets = bridge::buckets(&inputs, &options, 0, 1).remove(0);
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by_key(|&j| (buckets.keys[j], j));

        let (fewest, most) = (length / length.div_ceil(chunk), length.div_ceil(length.div_ceil(chunk)));
        assert!(most <= chunk);
        for i in 0..50 {
            let chosen = mask.row(i);
            assert!(chosen.len() == fewest || chosen.len() == most, "{options:?} row {i}: {} keys", chosen.len());
            let ranks: Vec<usize> = (0..length).filter(|&rank| chosen.contains(&order[rank])).collect();
            let (first, last) = (ranks[0], ranks[ranks.len() - 1]);
            assert_eq!(ranks.len(), last - first + 1, "{options:?} row {i}: not one piece of the order");
            let bucket: Vec<usize> =
                (0..length).filter(|&rank| buckets.keys[order[rank]] == buckets.queries[i]).collect();
            if !bucket.is_empty() {
                // The middle of an even number of keys lies between two of them, and either will do.
                let (low, high) = (bucket[(bucket.len() - 1) / 2], bucket[bucket.len() / 2]);
                assert!(first <= high && low <= last, "{options:?} row {i}: {first}..={last} without {low} or {high}");
            }
            // Chunks are disjoint or the same.
            for other in 0..i {
                let shared = mask.row(other).iter().filter(|j| chosen.contains(j)).count();
                assert!(shared == 0 || mask.row(other) == chosen, "{options:?} rows {other} and {i}");
            }
        }
    }
}

#[test]
fn smyrf_supports_equal_the_union_of_equal_clusters() {
    for (seed, (queries, keys, dim)) in
        [(48, 60, 6), (30, 61, 1), (61, 30, 16), (5, 60, 4), (60, 5, 4)].into_iter().enumerate()
    {
        let inputs = Inputs::normal(single(queries, keys, dim, 2), 1.0, 50 + seed as u64);
        for (cluster, rounds) in [(1, 1), (7, 1), (8, 2), (20, 3), (keys, 2)] {
            for length in [keys, keys / 2 + 1, 1] {
                let smyrf = sparse(Support::Smyrf { cluster: Some(cluster), rounds: Some(rounds) });
                let options = cases::clear(&inputs, Options { key_lengths: Some(vec![length]), ..smyrf });
                assert_eq!(support_of(&inputs, &options), bridge::mask(&inputs, &options, 0), "{options:?}");
            }
        }
    }
}

/// Who is in a bucket, a cluster or among the largest depends on directions and order, which no temperature changes.
#[test]
fn temperature_and_scale_do_not_change_supports() {
    for dim in [1, 3, 6, 8, 20] {
        let inputs = Inputs::normal(single(60, 70, dim, 2), 1.0, 55);
        for causal in [false, true] {
            for support in cases::supports(70, causal) {
                let masks: Vec<Mask> = [(1.0, None), (0.37, None), (1e6, None), (1.0, Some(3.3)), (1e-6, Some(0.7))]
                    .into_iter()
                    .map(|(temperature, scale)| {
                        let options = Options { temperature, scale, causal, ..sparse(support.clone()) };
                        support_of(&inputs, &cases::clear(&inputs, options))
                    })
                    .collect();
                assert!(masks.iter().all(|mask| *mask == masks[0]), "{support:?}, dim {dim}, causal {causal}");
            }
        }
    }
}

#[test]
fn explicit_rows_are_taken_as_given_but_for_masks() {
    let inputs = Inputs::normal(single(22, 17, 4, 2), 1.0, 60);
    for causal in [false, true] {
        for length in [17, 5] {
            let options = Options { causal, key_lengths: Some(vec![length]), ..sparse(cases::ragged(22, 17)) };
            assert_eq!(support_of(&inputs, &options), bridge::mask(&inputs, &options, 0), "{options:?}");
        }
    }
}

#[test]
fn a_pair_found_in_several_rounds_counts_once() {
    // Equal tokens collide in every round.
    let mut inputs = Inputs::normal(single(30, 30, 6, 2), 1.0, 70);
    inputs.k = inputs.q.clone();
    for support in [
        Support::Lsh { rounds: Some(5), chunk: None },
        Support::Lsh { rounds: Some(5), chunk: Some(30) },
        Support::Smyrf { cluster: Some(30), rounds: Some(5) },
    ] {
        let once = match support {
            Support::Lsh { chunk, .. } => Support::Lsh { rounds: Some(1), chunk },
            _ => Support::Smyrf { cluster: Some(30), rounds: Some(1) },
        };
        let (all, first) = (sparse(support), sparse(once));
        // The entries of support_of are compared with the statistics there.
        let (union, one) = (support_of(&inputs, &all), support_of(&inputs, &first));
        assert!(one.count() > 0 && (0..30).all(|i| one.row(i).iter().all(|&j| union.contains(i, j))));
        assert!(union.count() <= 30 * 30);
    }
    let (_, stats) = attention_with_stats(
        inputs.q(),
        inputs.k(),
        inputs.v(),
        &sparse(Support::Smyrf { cluster: Some(30), rounds: Some(5) }),
    )
    .unwrap();
    assert_eq!(stats.support_entries, 900);
}

#[test]
fn more_rounds_only_add_keys() {
    let inputs = Inputs::normal(single(40, 50, 6, 2), 1.0, 80);
    let kinds: [&dyn Fn(usize) -> Support; 3] = [
        &|rounds| Support::Lsh { rounds: Some(rounds), chunk: None },
        &|rounds| Support::Lsh { rounds: Some(rounds), chunk: Some(6) },
        &|rounds| Support::Smyrf { cluster: Some(6), rounds: Some(rounds) },
    ];
    for kind in kinds {
        let masks: Vec<Mask> = (1..=4).map(|rounds| support_of(&inputs, &sparse(kind(rounds)))).collect();
        for pair in masks.windows(2) {
            assert!((0..40).all(|i| pair[0].row(i).iter().all(|&j| pair[1].contains(i, j))));
        }
        assert!(masks[3].count() > masks[0].count());
    }
}

#[test]
fn statistics_count_the_entries_of_all_heads() {
    let shape = Shape { batch: 3, heads: 4, queries: 13, keys: 21, dim: 6, value_dim: 5, kv_heads: 2 };
    let inputs = Inputs::normal(shape, 1.0, 90);
    for causal in [false, true] {
        for options in cases::estimators(21, 10, causal) {
            let options = cases::clear(&inputs, Options { key_lengths: Some(vec![21, 0, 8]), ..options });
            let (_, stats) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let wanted: usize = (0..12).map(|slice| bridge::mask(&inputs, &options, slice).count()).sum();
            assert_eq!(stats.support_entries, wanted as u64, "{options:?}");
        }
    }
}

/// Tokens at a small angle share a bucket more often than tokens at a large one.
#[test]
fn hashing_is_sensitive_to_distance() {
    let dim = 16;
    let collisions = |angle: f64| {
        let mut shared = 0;
        for seed in 0..400 {
            let mut inputs = Inputs::normal(single(1, 1, dim, 1), 1.0, 500 + seed);
            // A key in the plane of the query and a random direction, `angle` away from the query.
            let q = bridge::wide(&inputs.q);
            let other = bridge::wide(&inputs.k);
            let along = oracle::dot(&other, &q) / oracle::dot(&q, &q);
            let across: Vec<f64> = other.iter().zip(&q).map(|(o, q)| o - along * q).collect();
            let ratio = oracle::norm(&q) / oracle::norm(&across);
            let key = q.iter().zip(&across).map(|(q, a)| (angle.cos() * q + angle.sin() * ratio * a) as f32);
            inputs.k = key.collect();
            let options = Options { seed, ..sparse(Support::Lsh { rounds: Some(1), chunk: None }) };
            shared += support_of(&inputs, &options).count();
        }
        f64::from(shared as u32) / 400.0
    };
    let rates: Vec<f64> = [0.0, 0.3, 0.8, 1.57].into_iter().map(collisions).collect();
    assert_eq!(rates[0], 1.0, "equal tokens share every bucket");
    assert!(rates[0] > rates[1] && rates[1] > rates[2] && rates[2] > rates[3], "{rates:?}");
    // 2 dim buckets: orthogonal tokens meet about once in 32.
    assert!(rates[3] < 0.1, "{rates:?}");
}
