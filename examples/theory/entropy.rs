//! Figure 1: on heads of trained models, the error of a sparse matrix, of a low-rank one, and of their sum within one
//! budget, against the entropy of the attention, which temperature sets.

use faer::{Mat, MatRef};
use scatterbrain::analysis::{Decomposition, decompose};
use scatterbrain::{DEFAULT_BUDGET, Features, Method, Options, Result, Support};
use serde::Serialize;

use crate::head::Head;
use crate::spectrum::Terms;

/// Longest head that is looked at.
pub const LONGEST: usize = 1100;

/// How the three are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// SMYRF, or a window when causal, and FAVOR+.
    Paper,
    /// Clusters and landmarks.
    Default,
    /// The largest entries of each row, the leading singular vectors, and half of the budget each.
    Oracle,
}

/// A head at one temperature, as one family has it.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    pub head: String,
    /// Times the head's own.
    pub temperature: f64,
    /// Nats, mean over rows.
    pub entropy: f64,
    /// Over that of rows that spread evenly over the keys they see.
    pub normalised_entropy: f64,
    pub family: Family,
    /// Errors of the attention matrix, |P - P̂| / |P| in the Frobenius norm.
    pub sparse: f64,
    pub low_rank: f64,
    pub both: f64,
    /// Errors of the output, |P V - P̂ V| / |P V|.
    pub output_sparse: f64,
    pub output_low_rank: f64,
    pub output_both: f64,
}

/// From an eighth of a head's own temperature to eight times it, thirteen of them.
pub fn temperatures() -> impl Iterator<Item = f64> {
    (-6..=6).map(|step| 2f64.powf(f64::from(step) / 2.0))
}

/// One family at one temperature.
pub fn measure(head: &Head, temperature: f64, family: Family) -> Result<Point> {
    let options = Options { temperature, ..head.options() };
    let (entropy, [sparse, low_rank, both]) = match family {
        Family::Paper => {
            let smyrf = Support::Smyrf { cluster: None, rounds: None };
            let support = if head.causal { Support::Window { size: None } } else { smyrf };
            let features = Features::Favor { count: None, hyperbolic: false, center: false, balance: false };
            estimators(head, &options, Some(support), Some(features))?
        }
        Family::Default => estimators(head, &options, None, None)?,
        Family::Oracle => oracles(head, &options)?,
    };
    Ok(Point {
        head: head.name.clone(),
        temperature,
        entropy,
        normalised_entropy: entropy / largest_entropy(head),
        family,
        sparse: sparse.matrix,
        low_rank: low_rank.matrix,
        both: both.matrix,
        output_sparse: sparse.output,
        output_low_rank: low_rank.output,
        output_both: both.output,
    })
}

fn run(head: &Head, options: Options) -> Result<Decomposition> {
    decompose(head.view(&head.q), head.view(&head.k), head.view(&head.v), &options)
}

/// Entropy, and the errors of a support alone, of features alone, and of both, each within the whole budget.
fn estimators(
    head: &Head,
    options: &Options,
    support: Option<Support>,
    features: Option<Features>,
) -> Result<(f64, [Errors; 3])> {
    let part = |method, support: &Option<Support>, features: &Option<Features>| {
        run(head, Options { method, support: support.clone(), features: features.clone(), ..options.clone() })
    };
    let sparse = part(Method::Sparse, &support, &None)?;
    let low_rank = part(Method::LowRank, &None, &features)?;
    let both = part(Method::Scatterbrain, &support, &features)?;
    Ok((sparse.entropy, [Errors::of(&sparse), Errors::of(&low_rank), Errors::of(&both)]))
}

/// Mean over rows of the logarithm of the number of keys in sight.
fn largest_entropy(head: &Head) -> f64 {
    (0..head.tokens).map(|query| (head.visible(query) as f64).ln()).sum::<f64>() / head.tokens as f64
}

#[derive(Debug, Clone, Copy)]
struct Errors {
    matrix: f64,
    output: f64,
}

impl Errors {
    fn of(seen: &Decomposition) -> Errors {
        let difference = |(&p, &estimate): (&f32, &f32)| (f64::from(p) - f64::from(estimate)).powi(2);
        let error: f64 = seen.exact.iter().zip(&seen.approximation).map(difference).sum();
        let all: f64 = seen.exact.iter().map(|&p| f64::from(p).powi(2)).sum();
        Errors { matrix: (error / all).sqrt(), output: seen.relative_error }
    }
}

/// Entropy, and the errors of the best that is possible within the budget, or nearly so. The matrix is that of the normalised weights, and what
/// approximates it is not normalised again: the dropped entries are the error of the first, by definition, and the dropped
/// singular values that of the second, by the theorem of Eckart and Young (of causal heads the upper triangle does not
/// count, which the theorem does not know). The sum is exact on the entries it keeps.
fn oracles(head: &Head, options: &Options) -> Result<(f64, [Errors; 3])> {
    let exact = run(head, Options { method: Method::Exact, ..options.clone() })?;
    let n = head.tokens;
    let p = Mat::from_fn(n, n, |i, j| f64::from(exact.exact[i * n + j]));
    let v = Mat::from_fn(n, head.dim, |j, t| f64::from(head.v[j * head.dim + t]));
    let output = &p * &v;
    let budget = head.floats(DEFAULT_BUDGET);

    let errors = |estimate: &Mat<f64>| Errors {
        matrix: (&p - estimate).norm_l2() / p.norm_l2(),
        output: (&output - estimate * &v).norm_l2() / output.norm_l2(),
    };
    let visible = |i, j, x: f64| if j < head.visible(i) { x } else { 0.0 };
    let low_rank = |matrix: &Mat<f64>, rank| {
        let sum = Terms::leading(matrix.as_ref(), rank).sum();
        Mat::from_fn(n, n, |i, j| visible(i, j, sum[(i, j)]))
    };
    let kept = largest_of_rows(p.as_ref(), budget / 2);
    let rest = low_rank(&(&p - &kept), budget - budget / 2);
    let sum = Mat::from_fn(n, n, |i, j| if kept[(i, j)] > 0.0 { p[(i, j)] } else { rest[(i, j)] });
    let sparse = largest_of_rows(p.as_ref(), budget);
    Ok((exact.entropy, [errors(&sparse), errors(&low_rank(&p, budget)), errors(&sum)]))
}

/// The matrix with zeros except for the `count` largest entries of each row.
fn largest_of_rows(matrix: MatRef<f64>, count: usize) -> Mat<f64> {
    let mut kept = Mat::zeros(matrix.nrows(), matrix.ncols());
    for i in 0..matrix.nrows() {
        let mut order: Vec<usize> = (0..matrix.ncols()).collect();
        order.sort_unstable_by(|&a, &b| matrix[(i, b)].total_cmp(&matrix[(i, a)]).then(a.cmp(&b)));
        order[..count].iter().for_each(|&j| kept[(i, j)] = matrix[(i, j)]);
    }
    kept
}
