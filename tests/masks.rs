//! Nothing leaks: not the future into causal rows, not padding into anything.

mod harness;
mod oracle;

use harness::cases;
use harness::data::{Inputs, Random, single};
use scatterbrain::{Features, Method, Options, Shape, Support, attention};

fn bits(inputs: &Inputs, options: &Options) -> Vec<u32> {
    let output = attention(inputs.q(), inputs.k(), inputs.v(), options).unwrap_or_else(|e| panic!("{options:?}: {e}"));
    output.data.iter().map(|x| x.to_bits()).collect()
}

const QUERIES: usize = 70;
const KEYS: usize = 70;
const DIM: usize = 7;
const VALUE_DIM: usize = 5;

/// Every causal estimator, with each support beside each feature map.
fn causal_estimators(queries: usize, keys: usize) -> Vec<Options> {
    let mut supports = cases::supports(keys, true);
    supports.push(Support::Window { size: Some(1) });
    supports.push(Support::Lsh { rounds: Some(3), chunk: Some(2) });
    supports.push(Support::Lsh { rounds: None, chunk: None });
    supports.push(cases::ragged(queries, keys));
    let maps = cases::maps(14, true);
    let mut all = vec![Options { method: Method::Exact, ..Options::default() }, Options::default()];
    all.push(Options { method: Method::Vitality, ..Options::default() });
    for support in &supports {
        let options = Options { support: Some(support.clone()), ..Options::default() };
        all.push(Options { method: Method::Vitality, ..options.clone() });
        all.extend(maps.iter().map(|map| Options { features: Some(map.clone()), ..options.clone() }));
        all.push(options);
    }
    all.extend(maps.into_iter().map(|map| Options { features: Some(map), ..Options::default() }));
    all.extend(cases::clustered(keys, true));
    all.iter_mut().for_each(|options| options.causal = true);
    all
}

/// Changes of keys and values from `first` on.
fn futures(inputs: &Inputs, first: usize) -> Vec<(&'static str, Inputs)> {
    let Inputs { shape, .. } = *inputs;
    let (dim, value_dim) = (shape.dim, shape.value_dim);
    let change = |edit: &dyn Fn(&mut [f32], &mut [f32])| {
        let mut changed = inputs.clone();
        edit(&mut changed.k[first * dim..], &mut changed.v[first * value_dim..]);
        changed
    };
    let random = |len: usize, deviation: f64| Random::new(99).normals(len, deviation);
    vec![
        ("other values", change(&|_, v| v.copy_from_slice(&random(v.len(), 50.0)))),
        ("other keys", change(&|k, _| k.copy_from_slice(&random(k.len(), 2.0)))),
        (
            "huge keys and values",
            change(&|k, v| {
                k.copy_from_slice(&random(k.len(), 1e20));
                v.copy_from_slice(&random(v.len(), 1e20));
            }),
        ),
        (
            "zeros",
            change(&|k, v| {
                k.fill(0.0);
                v.fill(0.0);
            }),
        ),
        (
            "the last key scaled by 1000",
            change(&|k, _| {
                let last = k.len() - dim;
                k[last..].iter_mut().for_each(|x| *x *= 1000.0);
            }),
        ),
    ]
}

#[test]
fn causal_rows_do_not_depend_on_future_keys_and_values() {
    let inputs = Inputs::normal(single(QUERIES, KEYS, DIM, VALUE_DIM), 1.0, 1);
    for first in [1, 16, 33, 64, KEYS - 1] {
        let futures = futures(&inputs, first);
        for options in causal_estimators(QUERIES, KEYS) {
            let before = bits(&inputs, &options);
            let past = first * VALUE_DIM;
            for (what, changed) in &futures {
                let after = bits(changed, &options);
                let differs = (0..past).find(|&n| before[n] != after[n]).map(|n| n / VALUE_DIM);
                assert_eq!(differs, None, "{options:?}: {what} from {first} on changed an earlier row");
                // Exact attention must see the change in its own rows, or nothing was tested.
                if options.method == Method::Exact {
                    assert_ne!(before[past..], after[past..], "{what} from {first} on");
                }
            }
        }
    }
}

#[test]
fn causal_rows_do_not_depend_on_future_queries() {
    let inputs = Inputs::normal(single(QUERIES, KEYS, DIM, VALUE_DIM), 1.0, 2);
    for first in [1, 17, 64] {
        let mut changed = inputs.clone();
        let future = &mut changed.q[first * DIM..];
        future.copy_from_slice(&Random::new(3).normals(future.len(), 30.0));
        for options in causal_estimators(QUERIES, KEYS) {
            let (before, after) = (bits(&inputs, &options), bits(&changed, &options));
            assert_eq!(before[..first * VALUE_DIM], after[..first * VALUE_DIM], "{options:?}: queries from {first} on");
        }
    }
}

/// The rows of a prefix are the prefix of the rows.
#[test]
fn causal_prefixes_are_computed_alike() {
    let inputs = Inputs::normal(single(QUERIES, KEYS, DIM, VALUE_DIM), 1.0, 4);
    for length in [1, 15, 16, 17, 50, 65] {
        let prefix = Inputs {
            shape: single(length, length, DIM, VALUE_DIM),
            q: inputs.q[..length * DIM].to_vec(),
            k: inputs.k[..length * DIM].to_vec(),
            v: inputs.v[..length * VALUE_DIM].to_vec(),
        };
        for options in causal_estimators(QUERIES, KEYS) {
            // Sizes from the budget follow the number of keys, and explicit rows that of queries.
            let follows_length =
                options.support.is_none() && options.features.is_none() && options.method == Method::Auto
                    || matches!(options.support, Some(Support::Lsh { rounds: None, .. } | Support::Explicit { .. }));
            if !follows_length {
                let all = bits(&inputs, &options);
                assert_eq!(bits(&prefix, &options), all[..length * VALUE_DIM], "{options:?}: a prefix of {length}");
            }
        }
    }
}

#[test]
fn causal_masks_count_from_zero_when_queries_and_keys_differ() {
    // Values that name their key show which keys a row saw.
    for (queries, keys) in [(9, 4), (4, 9)] {
        let mut inputs = Inputs::normal(single(queries, keys, 3, keys), 0.5, 5);
        inputs.v = (0..keys * keys).map(|at| f32::from(u8::from(at / keys == at % keys))).collect();
        let options = Options { method: Method::Exact, causal: true, ..Options::default() };
        let output = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
        for (i, row) in output.data.chunks_exact(keys).enumerate() {
            for (j, &weight) in row.iter().enumerate() {
                assert_eq!(weight > 0.0, j <= i, "query {i}, key {j} of {queries} x {keys}");
            }
        }
    }
}

/// Every estimator that takes padding, sorted chunks included.
fn padded_estimators(keys: usize, causal: bool) -> Vec<Options> {
    let mut all = cases::estimators(keys, 14, causal);
    all.extend(cases::clustered(keys, causal));
    if !causal {
        let lsh = Support::Lsh { rounds: Some(2), chunk: Some(6) };
        all.push(Options { support: Some(lsh.clone()), method: Method::Sparse, ..Options::default() });
        let centred = Features::Favor { count: Some(14), hyperbolic: true, center: true, balance: false };
        all.push(Options { support: Some(lsh), features: Some(centred), ..Options::default() });
        let smyrf = Support::Smyrf { cluster: Some(5), rounds: Some(3) };
        let fitted = Features::Optimal { count: Some(14), center: true, balance: false, spread: None };
        all.push(Options { support: Some(smyrf), features: Some(fitted), ..Options::default() });
    }
    all
}

#[test]
fn what_is_in_the_padding_never_matters() {
    let shape = Shape { batch: 4, heads: 2, queries: 24, keys: 40, dim: 6, value_dim: 5, kv_heads: 1 };
    let lengths = vec![40, 23, 1, 0];
    let inputs = Inputs::normal(shape, 1.0, 6);
    // Long enough for any padding here.
    let fillings = [
        ("zeros", vec![0.0; 240]),
        ("random numbers", Random::new(7).normals(240, 3.0)),
        ("huge numbers", Random::new(8).normals(240, 1e30)),
        ("the largest number", vec![f32::MAX; 240]),
    ];
    for causal in [false, true] {
        for options in padded_estimators(40, causal) {
            let options = Options { key_lengths: Some(lengths.clone()), ..options };
            let before = bits(&inputs, &options);
            for (what, filling) in &fillings {
                let mut changed = inputs.clone();
                for (batch, &length) in lengths.iter().enumerate() {
                    let padding = |dim: usize| (batch * 40 + length) * dim..(batch + 1) * 40 * dim;
                    changed.k[padding(6)].copy_from_slice(&filling[..(40 - length) * 6]);
                    changed.v[padding(5)].copy_from_slice(&filling[..(40 - length) * 5]);
                }
                assert_eq!(before, bits(&changed, &options), "{options:?}: {what} in the padding");
            }
        }
    }
}

#[test]
fn padded_keys_are_as_good_as_absent() {
    let inputs = Inputs::normal(single(24, 40, 6, 5), 1.0, 9);
    for length in [1, 16, 23, 39] {
        let cut = Inputs {
            shape: single(24, length, 6, 5),
            k: inputs.k[..length * 6].to_vec(),
            v: inputs.v[..length * 5].to_vec(),
            ..inputs.clone()
        };
        for causal in [false, true] {
            for options in padded_estimators(40, causal) {
                let padded = Options { key_lengths: Some(vec![length]), ..options.clone() };
                assert_eq!(bits(&inputs, &padded), bits(&cut, &options), "{options:?}: {length} keys of 40");
            }
        }
    }
}

#[test]
fn fully_masked_rows_give_zero() {
    let shape = Shape { batch: 3, heads: 2, queries: 18, keys: 20, dim: 5, value_dim: 4, kv_heads: 2 };
    let inputs = Inputs::normal(shape, 1.0, 10);
    for causal in [false, true] {
        for options in padded_estimators(20, causal) {
            let options = Options { key_lengths: Some(vec![0, 20, 0]), ..options };
            let output = attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            for (batch, rows) in output.data.chunks_exact(2 * 18 * 4).enumerate() {
                assert_eq!(rows.iter().all(|&x| x == 0.0), batch != 1, "{options:?}: sequence {batch}");
            }
        }
    }
}
