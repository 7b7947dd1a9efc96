//! The variances that theory predicts, for independent rows: blocks of one row (dim = 1), and a single row. And
//! orthogonal rows, which must not be worse.

mod harness;
mod oracle;

use harness::bridge;
use harness::data::{Inputs, single};
use oracle::head::Head;
use oracle::kernel::{Centered, optimal_a};
use scatterbrain::{Features, Method, Options, Support, analysis};

const SEEDS: u64 = 12_000;

/// A sampled number with its standard error.
#[derive(Clone, Copy, Debug)]
struct Sample {
    mean: f64,
    error: f64,
}

impl Sample {
    fn agrees(self, wanted: f64) -> bool {
        (self.mean - wanted).abs() <= 4.0 * self.error
    }
}

struct Draws {
    head: Head,
    /// (Â - A)^2 of every entry.
    squared_error: Vec<Sample>,
    /// How often each entry was in the support.
    in_support: Vec<f64>,
}

fn draws(inputs: &Inputs, options: &Options) -> Draws {
    let head = bridge::head(inputs, options, 0);
    let entries = head.queries * head.keys;
    let (mut sums, mut support) = (vec![(0.0, 0.0); entries], vec![0.0; entries]);
    for seed in 0..SEEDS {
        let options = Options { seed, ..options.clone() };
        let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
        for at in 0..entries {
            let (i, j) = (at / head.keys, at % head.keys);
            let estimate = f64::from(seen.approximation[at]) * seen.log_normalizer[i].exp();
            let square = (estimate - head.logit(i, j).exp()).powi(2);
            sums[at] = (sums[at].0 + square, sums[at].1 + square * square);
            support[at] += f64::from(seen.support[at]);
        }
    }
    let n = SEEDS as f64;
    let sample =
        |&(sum, squares): &(f64, f64)| Sample { mean: sum / n, error: ((squares / n - (sum / n).powi(2)) / n).sqrt() };
    Draws {
        head,
        squared_error: sums.iter().map(sample).collect(),
        in_support: support.iter().map(|s| s / n).collect(),
    }
}

/// |q' + k'|^2, |q'|^2 + |k'|^2 and A of an entry.
fn norms(head: &Head, at: usize) -> (f64, f64, f64) {
    let (q, k) = (head.scaled_query(at / head.keys), head.scaled_key(at % head.keys));
    let sum: Vec<f64> = q.iter().zip(&k).map(|(x, y)| x + y).collect();
    (
        oracle::dot(&sum, &sum),
        oracle::dot(&q, &q) + oracle::dot(&k, &k),
        head.logit(at / head.keys, at % head.keys).exp(),
    )
}

/// (1/m) exp(|q'+k'|^2) A^2 (1 - exp(-|q'+k'|^2)).
fn favor(head: &Head, at: usize, rows: usize) -> f64 {
    let (z, _, a) = norms(head, at);
    z.exp() * a * a * (1.0 - (-z).exp()) / rows as f64
}

/// Half of that times (1 - exp(-|q'+k'|^2)), for the same number of Gaussian rows.
fn hyperbolic(head: &Head, at: usize, rows: usize) -> f64 {
    favor(head, at, rows) / 2.0 * (1.0 - (-norms(head, at).0).exp())
}

/// E[X^2] - A^2 of one row, from the moment generating function of a Gaussian and its square: with x = 1 - 4a and
/// y = 1 - 8a, E[X^2] = x^d y^(-d/2) exp(2 x |q'+k'|^2 / y - |q'|^2 - |k'|^2).
fn optimal(head: &Head, at: usize, rows: usize, spread: f64) -> f64 {
    let (z, squares, exact) = norms(head, at);
    let a = optimal_a(spread, head.dim);
    let (x, y, d) = (1.0 - 4.0 * a, 1.0 - 8.0 * a, head.dim as f64);
    let second_moment = x.powf(d) * y.powf(-d / 2.0) * (2.0 * x * z / y - squares).exp();
    (second_moment - exact * exact) / rows as f64
}

fn favor_options(count: usize, hyperbolic: bool) -> Options {
    let features = Features::Favor { count: Some(count), hyperbolic, center: false, balance: false };
    Options { features: Some(features), method: Method::LowRank, ..Options::default() }
}

/// Small norms, so that the fourth power of a log-normal number can be sampled.
fn inputs(dim: usize, seed: u64) -> Inputs {
    Inputs::normal(single(3, 3, dim, 1), 0.7 / (dim as f64).sqrt(), seed)
}

fn assert_agrees(inputs: &Inputs, options: &Options, formula: impl Fn(&Head, usize) -> f64) {
    let draws = draws(inputs, options);
    for (at, sample) in draws.squared_error.iter().enumerate() {
        let wanted = formula(&draws.head, at);
        assert!(sample.agrees(wanted), "{options:?} entry {at}: {sample:?}, not {wanted}");
        // The sampling error must leave something to be tested.
        assert!(sample.error < 0.15 * wanted, "{options:?} entry {at}: {sample:?} beside {wanted}");
    }
}

#[test]
fn favor_has_the_variance_of_its_formula() {
    for count in [1, 4, 8] {
        assert_agrees(&inputs(1, 1), &favor_options(count, false), |head, at| favor(head, at, count));
    }
    assert_agrees(&inputs(5, 2), &favor_options(1, false), |head, at| favor(head, at, 1));
}

#[test]
fn hyperbolic_favor_has_the_variance_of_its_formula() {
    for rows in [1, 4] {
        assert_agrees(&inputs(1, 3), &favor_options(2 * rows, true), |head, at| hyperbolic(head, at, rows));
    }
    assert_agrees(&inputs(5, 4), &favor_options(2, true), |head, at| hyperbolic(head, at, 1));
}

fn optimal_options(count: usize, spread: Option<f64>) -> Options {
    let features = Features::Optimal { count: Some(count), center: false, balance: false, spread };
    Options { features: Some(features), method: Method::LowRank, ..Options::default() }
}

#[test]
fn optimal_features_have_the_variance_of_their_formula() {
    for spread in [0.3, 2.0] {
        for count in [1, 8] {
            let options = optimal_options(count, Some(spread));
            assert_agrees(&inputs(1, 5), &options, |head, at| optimal(head, at, count, spread));
        }
        let options = optimal_options(1, Some(spread));
        assert_agrees(&inputs(5, 6), &options, |head, at| optimal(head, at, 1, spread));
    }
}

/// Fitted to a single pair, whose |q' + k'|^2 is then known exactly, over a range of norms.
#[test]
fn optimal_features_are_never_worse_than_favor_on_the_pair_they_are_fitted_to() {
    for seed in 0..6 {
        let inputs = Inputs::normal(single(1, 1, 4, 1), 0.3 + 0.1 * seed as f64, seed);
        let draws = draws(&inputs, &optimal_options(1, None));
        let spread = norms(&draws.head, 0).0;
        let (fitted, plain) = (optimal(&draws.head, 0, 1, spread), favor(&draws.head, 0, 1));
        assert!(draws.squared_error[0].agrees(fitted), "{:?}, not {fitted}", draws.squared_error[0]);
        assert!(fitted <= plain, "{fitted} > {plain}");
        // A poorer fit is worse: the parameter is the best one.
        for other in [0.5 * spread, 2.0 * spread] {
            assert!(fitted <= optimal(&draws.head, 0, 1, other));
        }
    }
}

/// Over a head: the mean logarithm of the second moment, which is what the parameter minimises.
#[test]
fn optimal_features_are_never_worse_than_favor_on_the_head_they_are_fitted_to() {
    for seed in 0..3 {
        let inputs = Inputs::normal(single(4, 5, 5, 1), 0.4, 10 + seed);
        let fitted = draws(&inputs, &optimal_options(1, None));
        let mut gain = 0.0;
        for (at, sample) in fitted.squared_error.iter().enumerate() {
            let exact = norms(&fitted.head, at).2;
            gain += ((favor(&fitted.head, at, 1) + exact * exact) / (sample.mean + exact * exact)).ln();
        }
        assert!(gain > 0.0, "{gain}");
    }
}

#[test]
fn orthogonal_rows_are_not_worse_than_independent_ones() {
    for dim in [2, 4, 7] {
        let draws = draws(&inputs(dim, 20 + dim as u64), &favor_options(dim, false));
        let (mut sampled, mut predicted) = (0.0, 0.0);
        for (at, sample) in draws.squared_error.iter().enumerate() {
            let independent = favor(&draws.head, at, dim);
            assert!(
                sample.mean <= independent + 4.0 * sample.error,
                "dim {dim} entry {at}: {sample:?} > {independent}"
            );
            sampled += sample.mean;
            predicted += independent;
        }
        // Not a tie either: rows that only claim to be orthogonal would show here.
        assert!(sampled < predicted, "dim {dim}: {sampled}, independent rows {predicted}");
    }
}

/// Channels in which queries are long and keys short, or the other way round: what balancing mends. The formulas hold for
/// what the map is given, and say that it is less.
#[test]
fn balancing_lowers_the_variance_as_its_formula_says() {
    let mut inputs = Inputs::normal(single(6, 6, 3, 1), 0.3, 40);
    for (c, scale) in [2.5, 1.0, 0.4].into_iter().enumerate() {
        inputs.q[c..].iter_mut().step_by(3).for_each(|x| *x *= scale);
        inputs.k[c..].iter_mut().step_by(3).for_each(|x| *x /= scale);
    }
    let spread = 1.0;
    let maps = [
        Features::Favor { count: Some(1), hyperbolic: false, center: false, balance: true },
        Features::Favor { count: Some(2), hyperbolic: true, center: false, balance: true },
        Features::Optimal { count: Some(1), center: false, balance: true, spread: Some(spread) },
    ];
    for (which, features) in maps.into_iter().enumerate() {
        let options = Options { features: Some(features), method: Method::LowRank, ..Options::default() };
        let draws = draws(&inputs, &options);
        let centered = Centered::new(&draws.head, false, true);
        let flat = |token: &dyn Fn(usize) -> Vec<f64>| (0..6).flat_map(token).collect();
        let b = draws.head.b.sqrt();
        let changed = Head {
            q: flat(&|i| centered.query(i).iter().map(|x| x / b).collect()),
            k: flat(&|j| centered.key(j).iter().map(|x| x / b).collect()),
            v: draws.head.v.clone(),
            ..draws.head
        };
        let formula = |head: &Head, at: usize| match which {
            0 => favor(head, at, 1),
            1 => hyperbolic(head, at, 1),
            _ => optimal(head, at, 1, spread),
        };
        let (mut balanced, mut plain) = (0.0, 0.0);
        for (at, sample) in draws.squared_error.iter().enumerate() {
            let wanted = formula(&changed, at);
            assert!(sample.agrees(wanted), "{options:?} entry {at}: {sample:?}, not {wanted}");
            balanced += wanted;
            plain += formula(&draws.head, at);
        }
        assert!(balanced < 0.7 * plain, "{options:?}: {balanced}, unbalanced {plain}");
    }
}

/// Over hash and features together: E[(Â - A)^2] = (1 - p) E[(f.f - A)^2], p how often the pair is in the support.
#[test]
fn a_hashed_support_removes_its_share_of_the_variance() {
    let inputs = Inputs::normal(single(3, 3, 5, 1), 0.3, 30);
    let support = Some(Support::Lsh { rounds: Some(1), chunk: None });
    let draws = draws(&inputs, &Options { support, method: Method::Scatterbrain, ..favor_options(1, false) });
    let mut share = 0.0;
    for (at, sample) in draws.squared_error.iter().enumerate() {
        let p = draws.in_support[at];
        let all = favor(&draws.head, at, 1);
        let wanted = (1.0 - p) * all;
        // p is sampled too.
        let error = sample.error + all * (p * (1.0 - p) / SEEDS as f64).sqrt();
        assert!((sample.mean - wanted).abs() <= 4.0 * error, "entry {at}, p = {p}: {sample:?}, not {wanted}");
        share += p / 9.0;
    }
    assert!(share > 0.05, "the support hardly held anything: {share}");
}
