//! Balancing: a change of variables that logits do not see and variances do.

mod harness;
mod oracle;

use harness::check::{self, Tally};
use harness::data::{Inputs, Random, single};
use oracle::balance::Balance;
use oracle::{dot, norm};
use scatterbrain::{Features, Method, Options, Support, attention};

fn maps() -> [Features; 4] {
    [
        Features::Favor { count: Some(16), hyperbolic: false, center: false, balance: true },
        Features::Favor { count: Some(16), hyperbolic: true, center: true, balance: true },
        Features::Optimal { count: Some(16), center: true, balance: true, spread: None },
        Features::Optimal { count: Some(16), center: false, balance: true, spread: None },
    ]
}

fn low_rank(features: Features) -> Options {
    Options { features: Some(features), method: Method::LowRank, ..Options::default() }
}

fn tokens(random: &mut Random, count: usize, scales: &[f64]) -> Vec<Vec<f64>> {
    let mix: Vec<f64> = (0..scales.len() * scales.len()).map(|_| random.normal()).collect();
    let token = |random: &mut Random| -> Vec<f64> {
        let x: Vec<f64> = scales.iter().map(|scale| scale * random.normal()).collect();
        mix.chunks_exact(scales.len()).map(|row| dot(row, &x)).collect()
    };
    (0..count).map(|_| token(random)).collect()
}

/// Mean of |x|^2.
fn square(tokens: &[Vec<f64>]) -> f64 {
    tokens.iter().map(|x| dot(x, x)).sum::<f64>() / tokens.len() as f64
}

/// The reference has what defines it: the same logits, and no M near it makes queries and keys shorter.
#[test]
fn the_reference_is_the_shortest_with_the_same_logits() {
    let mut random = Random::new(1);
    let (q, k) = (tokens(&mut random, 60, &[3.0, 1.0, 0.3, 0.1]), tokens(&mut random, 50, &[0.2, 2.0, 1.0, 0.5]));
    let balance = Balance::new(&q, &k, 4);
    let short_q: Vec<Vec<f64>> = q.iter().map(|q| balance.query(q)).collect();
    let short_k: Vec<Vec<f64>> = k.iter().map(|k| balance.key(k)).collect();
    for (q, short_q) in q.iter().zip(&short_q) {
        for (k, short_k) in k.iter().zip(&short_k) {
            assert!((dot(q, k) - dot(short_q, short_k)).abs() < 1e-12 * norm(short_q) * norm(short_k));
        }
    }
    let least = square(&short_q) + square(&short_k);
    assert!(least < 0.8 * (square(&q) + square(&k)), "{least}");
    // Any other M is this one followed by a matrix, of which a shear and a stretch along single axes are the directions.
    for i in 0..4 {
        for j in 0..4 {
            for by in [-0.02, 0.02] {
                let other = |tokens: &[Vec<f64>], transposed: bool| -> f64 {
                    let (to, from) = if transposed { (j, i) } else { (i, j) };
                    let changed = tokens.iter().map(|x| {
                        let mut y = x.clone();
                        y[to] += match (transposed, i == j) {
                            (false, _) => by * x[from],
                            (true, true) => x[from] / (1.0 + by) - x[from],
                            (true, false) => -by * x[from],
                        };
                        y
                    });
                    square(&changed.collect::<Vec<_>>())
                };
                let sum = other(&short_q, false) + other(&short_k, true);
                assert!(sum > least * (1.0 - 1e-5), "[{i}, {j}] by {by}: {sum} < {least}");
            }
        }
    }
}

fn outputs(inputs: &Inputs, options: &Options, tally: &mut Tally) {
    let seen = check::outputs(inputs, options).unwrap_or_else(|e| panic!("{options:?}: {e}"));
    tally.add(seen);
}

/// What the tokens of a side may be.
enum Tokens {
    Zero,
    Equal,
    OnALine,
    Alike,
    Normal,
}

const DEGENERATE: [Tokens; 5] = [Tokens::Zero, Tokens::Equal, Tokens::OnALine, Tokens::Alike, Tokens::Normal];

impl Tokens {
    /// From normal tokens.
    fn of(&self, x: &[f32], dim: usize) -> Vec<f32> {
        let change = |(i, &own): (usize, &f32)| match self {
            Tokens::Zero => 0.0,
            Tokens::Equal => x[i % dim],
            Tokens::OnALine => x[i % dim] * (i / dim) as f32,
            Tokens::Alike => x[i % dim] + 1e-6 * own,
            Tokens::Normal => own,
        };
        x.iter().enumerate().map(change).collect()
    }
}

/// Moments without full rank, without any rank, and of different rank for queries and keys.
#[test]
fn heads_that_do_not_span_the_space_equal_the_reference() {
    let mut tally = Tally::default();
    for dim in [1, 2, 5, 16, 17] {
        let normal = Inputs::normal(single(12, 15, dim, 3), 1.0, dim as u64);
        for (q, k) in DEGENERATE.iter().flat_map(|q| DEGENERATE.iter().map(move |k| (q, k))) {
            let inputs = Inputs { q: q.of(&normal.q, dim), k: k.of(&normal.k, dim), ..normal.clone() };
            for features in maps() {
                outputs(&inputs, &low_rank(features), &mut tally);
            }
        }
        for (queries, keys) in [(1, 15), (12, 1), (1, 1)] {
            let few = Inputs::normal(single(queries, keys, dim, 3), 1.0, 50 + dim as u64);
            for features in maps() {
                let support = Some(Support::Window { size: Some(1) });
                outputs(&few, &low_rank(features.clone()), &mut tally);
                let both = Options { support, method: Method::Scatterbrain, ..low_rank(features) };
                outputs(&few, &both, &mut tally);
            }
        }
    }
    println!("{tally:?}");
    assert_eq!(tally.undecided, 0, "{tally:?}");
}

/// How a scale is shared between a channel of the queries and that of the keys is not seen in a logit, and then not in
/// balanced features either.
#[test]
fn a_scale_moved_from_queries_to_keys_changes_nothing() {
    let dim = 6;
    let inputs = Inputs::normal(single(64, 80, dim, 5), 1.0, 3);
    let mut moved = inputs.clone();
    for (c, scale) in [0.125, 4.0, 1.0, 0.5, 8.0, 2.0].into_iter().enumerate() {
        moved.q[c..].iter_mut().step_by(dim).for_each(|x| *x *= scale);
        moved.k[c..].iter_mut().step_by(dim).for_each(|x| *x /= scale);
    }
    let run = |inputs: &Inputs, features: &Features| {
        attention(inputs.q(), inputs.k(), inputs.v(), &low_rank(features.clone())).unwrap().data
    };
    let distance = |a: &[f32], b: &[f32]| {
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b))) / norm(&mut b.iter().map(|&b| f64::from(b)))
    };
    for features in maps() {
        let off = distance(&run(&moved, &features), &run(&inputs, &features));
        // The ridge is of the size of the mean channel: 10^-6 of it is seen in the least.
        assert!(off < 1e-3, "{features:?}: {off}");
    }
    let plain = Features::Favor { count: Some(16), hyperbolic: false, center: true, balance: false };
    let off = distance(&run(&moved, &plain), &run(&inputs, &plain));
    assert!(off > 0.1, "{off}: the channels do not differ enough to show anything");
}

/// Large heads are balanced in a bounded number of steps.
#[test]
fn wide_heads_are_balanced_too() {
    let inputs = Inputs::normal(single(24, 24, 256, 2), 0.3, 5);
    let mut tally = Tally::default();
    for features in maps() {
        outputs(&inputs, &low_rank(features), &mut tally);
    }
    assert_eq!(tally.undecided, 0, "{tally:?}");
}
