//! The table of cases. Every target runs all of it.

use scatterbrain::{Features, Method, Options, Shape, Support};

use super::bridge;
use super::data::{Inputs, single};

pub struct Case {
    pub name: String,
    pub inputs: Inputs,
    pub options: Options,
}

/// Sizes that reach each number of left-over lanes of 16-wide and narrower code, with none to several full steps.
pub const SIZES: std::ops::RangeInclusive<usize> = 1..=67;

/// Every estimator for a head of `keys` keys, with `count` features where a map lets one choose.
pub fn estimators(keys: usize, count: usize, causal: bool) -> Vec<Options> {
    let features = maps(count, causal);
    let supports = supports(keys, causal);
    let mut all = vec![method(Method::Exact), method(Method::Vitality)];
    all.extend(supports.iter().map(|s| Options { support: Some(s.clone()), ..method(Method::Sparse) }));
    all.extend(features.iter().map(|f| Options { features: Some(f.clone()), ..method(Method::LowRank) }));
    // Every map and every support, paired so that each meets several of the others.
    for n in 0..2 * features.len() {
        let support = supports[(n + n / features.len()) % supports.len()].clone();
        let features = features[n % features.len()].clone();
        all.push(Options { support: Some(support), features: Some(features), ..method(Method::Scatterbrain) });
    }
    all.push(Options { support: Some(supports[0].clone()), ..method(Method::Vitality) });
    all.iter_mut().for_each(|options| options.causal = causal);
    all
}

/// Every feature map.
pub fn maps(count: usize, causal: bool) -> Vec<Features> {
    let even = count.next_multiple_of(2);
    let mut all = vec![
        Features::Favor { count: Some(count), hyperbolic: false, center: false, balance: false },
        Features::Favor { count: Some(even), hyperbolic: true, center: false, balance: false },
        Features::Optimal { count: Some(count), center: false, balance: false, spread: Some(3.0) },
        Features::Elu,
        Features::Taylor { order: 1 },
        Features::Taylor { order: 2 },
    ];
    if !causal {
        all.push(Features::Favor { count: Some(count), hyperbolic: false, center: true, balance: false });
        all.push(Features::Favor { count: Some(even), hyperbolic: true, center: true, balance: false });
        all.push(Features::Optimal { count: Some(count), center: true, balance: false, spread: None });
        all.push(Features::Optimal { count: Some(count), center: false, balance: false, spread: None });
        all.push(Features::Favor { count: Some(count), hyperbolic: false, center: false, balance: true });
        all.push(Features::Favor { count: Some(even), hyperbolic: true, center: true, balance: true });
        all.push(Features::Optimal { count: Some(count), center: true, balance: true, spread: None });
    }
    all
}

/// Every support whose reference is exact; sorted chunks have tests of their own.
pub fn supports(keys: usize, causal: bool) -> Vec<Support> {
    let few = (keys / 3).max(1);
    let mut all = vec![
        Support::Window { size: Some(few) },
        Support::TopK { count: Some(few) },
        Support::Lsh { rounds: Some(2), chunk: None },
    ];
    if causal {
        all.push(Support::Lsh { rounds: Some(2), chunk: Some(few.div_ceil(2)) });
    } else {
        all.push(Support::Smyrf { cluster: Some(few), rounds: Some(2) });
    }
    all
}

/// Clusters of keys, which no reference knows, in every estimator that can have them.
pub fn clustered(keys: usize, causal: bool) -> Vec<Options> {
    let count = Some((keys / 3).max(1));
    let clusters = Some(Support::Clusters { count });
    let landmarks = Some(Features::Landmarks { count });
    let favor = Some(Features::Favor { count: Some(12), hyperbolic: false, center: false, balance: false });
    let mut all = vec![
        Options { support: clusters.clone(), features: landmarks.clone(), ..method(Method::Scatterbrain) },
        Options { support: clusters.clone(), ..method(Method::Sparse) },
        Options { features: landmarks, ..method(Method::LowRank) },
        Options { support: clusters.clone(), features: favor, ..method(Method::Scatterbrain) },
        Options { support: clusters, ..method(Method::Vitality) },
    ];
    all.iter_mut().for_each(|options| options.causal = causal);
    all
}

/// A support given row by row: `row` lists the keys of a query.
pub fn explicit(queries: usize, row: impl Fn(usize) -> Vec<usize>) -> Support {
    let (mut indptr, mut indices) = (vec![0], Vec::new());
    for i in 0..queries {
        indices.extend(row(i).iter().map(|&j| j as u32));
        indptr.push(indices.len() as u32);
    }
    Support::Explicit { indptr, indices }
}

/// Explicit rows of all kinds: empty, repeated, unordered, full.
pub fn ragged(queries: usize, keys: usize) -> Support {
    explicit(queries, |i| match i % 4 {
        0 => vec![],
        1 => vec![i % keys, i % keys, 0],
        2 => (0..keys).rev().collect(),
        _ => (0..keys).step_by(2).collect(),
    })
}

fn method(method: Method) -> Options {
    Options { method, ..Options::default() }
}

/// The next seed with which rounding cannot decide who is in which cluster.
pub fn clear(inputs: &Inputs, mut options: Options) -> Options {
    while !bridge::clusters_are_clear(inputs, &options) {
        options.seed += 1;
    }
    options
}

fn case(group: &str, inputs: &Inputs, options: Options) -> Case {
    let options = clear(inputs, options);
    let s = inputs.shape;
    let parts = format!("{:?} {:?}", options.support, options.features);
    let name = format!(
        "{group}: {} {parts}, batch {} heads {}/{} queries {} keys {} dim {} value_dim {}, temperature {}, causal {}, lengths {:?}",
        options.method,
        s.batch,
        s.heads,
        s.kv_heads,
        s.queries,
        s.keys,
        s.dim,
        s.value_dim,
        options.temperature,
        options.causal,
        options.key_lengths,
    );
    Case { name, inputs: inputs.clone(), options }
}

/// Each dimension of a head goes through SIZES while the others stay odd and small.
pub fn sizes(causal: bool) -> impl Iterator<Item = Case> {
    SIZES.flat_map(move |n| {
        let heads = [
            (single(n, 19, 5, 7), 9),
            (single(9, n, 5, 7), 9),
            (single(9, 19, n, 7), 9),
            (single(9, 19, 5, n), 9),
            (single(9, 19, 5, 7), n),
        ];
        heads.into_iter().enumerate().flat_map(move |(which, (shape, count))| {
            let inputs = Inputs::normal(shape, 1.0, (n * 5 + which) as u64);
            let all = estimators(shape.keys, count, causal);
            all.into_iter().map(move |options| case("sizes", &inputs, options)).collect::<Vec<_>>()
        })
    })
}

/// Several sequences, several heads, heads that share keys, masks.
pub fn batches() -> Vec<Case> {
    let mut all = Vec::new();
    let shape = Shape { batch: 3, heads: 4, queries: 13, keys: 21, dim: 6, value_dim: 5, kv_heads: 2 };
    let inputs = Inputs::normal(shape, 1.0, 11);
    let alone = Inputs::normal(Shape { kv_heads: 1, ..shape }, 1.0, 12);
    let own = Inputs::normal(Shape { kv_heads: 4, ..shape }, 1.0, 13);
    for causal in [false, true] {
        for options in estimators(21, 10, causal) {
            for key_lengths in [None, Some(vec![21, 0, 8])] {
                for inputs in [&inputs, &alone, &own] {
                    let options = Options { key_lengths: key_lengths.clone(), seed: 5, ..options.clone() };
                    all.push(case("batches", inputs, options));
                }
            }
        }
    }
    all
}

/// Flat to sharp.
pub fn temperatures() -> Vec<Case> {
    let mut all = Vec::new();
    let inputs = Inputs::normal(single(15, 33, 8, 6), 1.0, 21);
    for temperature in [1e-3, 1e-2, 0.1, 0.5, 2.0, 10.0, 1e3] {
        for causal in [false, true] {
            for options in estimators(33, 24, causal) {
                all.push(case("temperatures", &inputs, Options { temperature, ..options }));
            }
        }
    }
    all
}

/// Explicit supports, one for all heads and one for each.
pub fn explicit_supports() -> Vec<Case> {
    let mut all = Vec::new();
    let shape = Shape { batch: 2, heads: 2, queries: 18, keys: 17, dim: 7, value_dim: 3, kv_heads: 1 };
    let inputs = Inputs::normal(shape, 1.0, 31);
    for causal in [false, true] {
        for support in [ragged(18, 17), ragged(2 * 2 * 18, 17)] {
            for features in maps(12, causal) {
                let parts = Options {
                    support: Some(support.clone()),
                    features: Some(features),
                    causal,
                    ..method(Method::Scatterbrain)
                };
                all.push(case("explicit", &inputs, parts));
            }
            all.push(case(
                "explicit",
                &inputs,
                Options { support: Some(support.clone()), causal, ..method(Method::Vitality) },
            ));
        }
    }
    all
}

/// The whole table.
pub fn all() -> impl Iterator<Item = Case> {
    let tables = [batches(), temperatures(), explicit_supports()];
    sizes(false).chain(sizes(true)).chain(tables.into_iter().flatten())
}
