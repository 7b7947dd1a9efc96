//! Theorem 1: what the attention matrix of clustered tokens is made of. How many parameters a sparse matrix, a low-rank
//! matrix and the sum of one of each need, for the same error of the unnormalised matrix, over inverse temperatures.

use faer::Mat;
use scatterbrain::analysis::{ClusteredTokens, Regime};
use serde::Serialize;

use crate::spectrum::{Terms, singular_values};

/// The error allowed, relative to the matrix, in the Frobenius norm.
pub const ERROR: f64 = 0.1;

/// Seed of the tokens.
const SEED: u64 = 1;

/// What one matrix needs to be known to within [`ERROR`]. An entry is one parameter, and a rank 2 n of them.
#[derive(Debug, Clone, Serialize)]
pub struct Needs {
    pub tokens: usize,
    pub dim: usize,
    pub clusters: usize,
    pub spread: f64,
    /// Inverse temperature: the matrix is exp(β z·z').
    pub beta: f64,
    /// β / ln n.
    pub beta_over_ln_n: f64,
    /// Singular values above a thousandth of the largest.
    pub numerical_rank: usize,
    /// Parameters of the sparse matrix: the largest entries.
    pub sparse: usize,
    /// Parameters of the low-rank matrix: the leading singular vectors.
    pub low_rank: usize,
    /// Parameters of the sum, which may lack either part.
    pub both: usize,
    /// What the sum consists of.
    pub both_entries: usize,
    pub both_rank: usize,
    /// Who needs the fewest.
    pub winner: &'static str,
    /// Who should, by [`ClusteredTokens::regime`].
    pub predicted: &'static str,
}

/// The model at one length: clusters of n^(1/4) tokens.
pub fn model(tokens: usize, dim: usize) -> ClusteredTokens {
    ClusteredTokens { tokens, clusters: (tokens as f64).powf(0.75).round() as usize, spread: 0.5, dim }
}

/// β / ln n from 0.05 to 5, ten to the decade.
pub fn grid() -> impl Iterator<Item = f64> {
    (0..=20).map(|step| 0.05 * 10f64.powf(f64::from(step) / 10.0))
}

/// Takes the matrices of one model apart, at each β / ln n.
pub fn measure(model: ClusteredTokens, grid: impl Iterator<Item = f64>) -> scatterbrain::Result<Vec<Needs>> {
    let (n, dim) = (model.tokens, model.dim);
    let tokens = model.sample(SEED)?;
    let z = Mat::from_fn(n, dim, |i, t| f64::from(tokens[i * dim + t]));
    let logits = &z * z.transpose();
    Ok(grid.map(|x| needs(model, &logits, x * (n as f64).ln())).collect())
}

fn needs(model: ClusteredTokens, logits: &Mat<f64>, beta: f64) -> Needs {
    let n = model.tokens;
    // Relative to the largest, which no error depends on and no temperature overflows; and symmetric to the bit.
    let largest = (0..n).map(|i| logits[(i, i)]).fold(0.0, f64::max);
    let a = Mat::from_fn(n, n, |i, j| (beta * (logits[(i.min(j), i.max(j))] - largest)).exp());
    let allowed = ERROR * ERROR * a.squared_norm_l2();

    let entry = |at: &usize| a[(at % n, at / n)];
    let mut order: Vec<usize> = (0..n * n).collect();
    order.sort_unstable_by(|x, y| entry(y).total_cmp(&entry(x)).then(x.cmp(y)));
    let sparse = parts_needed(order.iter().map(entry), allowed);

    let values = singular_values(a.as_ref());
    let rank = parts_needed(values.iter().copied(), allowed);
    let low_rank = 2 * n * rank;

    let alone = if sparse < low_rank { (sparse, sparse, 0) } else { (low_rank, 0, rank) };
    let (both, both_entries, both_rank) = best_sum(&a, &order, alone, allowed);
    Needs {
        tokens: n,
        dim: model.dim,
        clusters: model.clusters,
        spread: model.spread,
        beta,
        beta_over_ln_n: beta / (n as f64).ln(),
        numerical_rank: values.iter().filter(|value| **value > 1e-3 * values[0]).count(),
        sparse,
        low_rank,
        both,
        both_entries,
        both_rank,
        winner: match (both_entries, both_rank) {
            (_, 0) => "sparse",
            (0, _) => "low-rank",
            _ => "both",
        },
        predicted: match model.regime(beta, ERROR) {
            Regime::Sparse => "sparse",
            Regime::LowRank => "low-rank",
            Regime::Both => "both",
        },
    }
}

/// How many of `parts`, which descend, must be kept so that the squares of the others sum to at most `allowed`.
fn parts_needed(parts: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator, allowed: f64) -> usize {
    let count = parts.len();
    let mut sum = 0.0;
    let dropped = parts.rev().take_while(|part| {
        sum += part * part;
        sum <= allowed
    });
    count - dropped.count()
}

/// The parameters, entries and rank of the cheapest sum: the n, 2 n, 4 n, ... largest entries with the rank that then
/// suffices; or what `alone` needs without a partner.
fn best_sum(a: &Mat<f64>, order: &[usize], alone: (usize, usize, usize), allowed: f64) -> (usize, usize, usize) {
    let n = a.nrows();
    let mut best = alone;
    let mut kept = n;
    while kept + 2 * n < best.0 {
        let affordable = (best.0 - kept - 1) / (2 * n);
        if let Some(rank) = rank_beside(a, &order[..kept], affordable, allowed) {
            best = (kept + 2 * n * rank, kept, rank);
        }
        kept *= 2;
    }
    best
}

/// The least rank, up to `most`, that suffices beside some entries: the best approximation of the matrix with zeros in
/// their place has to be good where they are not, for where they are the sum is exact.
fn rank_beside(a: &Mat<f64>, kept: &[usize], most: usize, allowed: f64) -> Option<usize> {
    let n = a.nrows();
    let mut rest = a.clone();
    kept.iter().for_each(|at| rest[(at % n, at / n)] = 0.0);
    let terms = Terms::of_symmetric(rest.as_ref());
    let mut error = rest.squared_norm_l2();
    let mut on_kept = vec![0.0; kept.len()];
    for rank in 1..=most {
        let (u, v) = (terms.u.col(rank - 1), terms.v.col(rank - 1));
        error -= v.squared_norm_l2();
        let mut forgiven = 0.0;
        for (low_rank, at) in on_kept.iter_mut().zip(kept) {
            *low_rank += u[at % n] * v[at / n];
            forgiven += *low_rank * *low_rank;
        }
        if error - forgiven <= allowed {
            return Some(rank);
        }
    }
    None
}
