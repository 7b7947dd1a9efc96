//! One row of the attention matrix and of its estimate, and what follows from it.

use super::head::Head;
use super::kernel::Kernel;
use super::supports::Mask;
use super::{Entry, log_sum_exp};

/// Row i of an unnormalised attention matrix; masked entries are zero.
pub struct Row {
    pub entries: Vec<Entry>,
}

/// A_ij = exp(s_ij).
pub fn exact_row(head: &Head, i: usize) -> Row {
    row(head, i, |j| Entry::exp(head.logit(i, j)))
}

/// Â_ij = exp(s_ij) on the support, f(q_i).f(k_j) elsewhere. Sparse attention has no kernel (f = 0), low-rank
/// attention an empty support.
pub fn estimate_row(head: &Head, support: &Mask, kernel: Option<&Kernel>, i: usize) -> Row {
    row(head, i, |j| match kernel {
        _ if support.contains(i, j) => Entry::exp(head.logit(i, j)),
        Some(kernel) => kernel.entry(i, j),
        None => Entry::ZERO,
    })
}

/// The same, and a row whose total mass came out zero or negative, which cancelling terms of a feature map can cause,
/// falls back to its support, with an empty support to equal weights. Without a feature map an empty support
/// leaves nothing: the row is masked.
pub fn scatterbrain_row(head: &Head, support: &Mask, kernel: Option<&Kernel>, i: usize) -> Row {
    let estimate = estimate_row(head, support, kernel, i);
    if estimate.mass() > 0.0 || kernel.is_none() {
        return estimate;
    }
    let sparse = estimate_row(head, support, None, i);
    if sparse.mass() > 0.0 { sparse } else { row(head, i, |_| Entry::exp(0.0)) }
}

fn row(head: &Head, i: usize, entry: impl Fn(usize) -> Entry) -> Row {
    Row { entries: (0..head.keys).map(|j| if head.visible(i, j) { entry(j) } else { Entry::ZERO }).collect() }
}

impl Row {
    /// ln of the largest magnitude; everything is summed relative to it.
    pub fn shift(&self) -> f64 {
        self.entries.iter().fold(f64::NEG_INFINITY, |m, e| m.max(e.ln))
    }

    /// The row sum divided by exp(shift); 0 for a fully masked row.
    pub fn mass(&self) -> f64 {
        let shift = self.shift();
        self.entries.iter().map(|e| e.relative_to(shift)).sum()
    }

    /// ln of the row sum, -inf for a fully masked row.
    pub fn log_normalizer(&self) -> f64 {
        self.shift() + self.mass().ln()
    }

    /// The entries divided by their sum; all zero for a row without any.
    pub fn normalised(&self) -> Vec<f64> {
        let ln_z = self.log_normalizer();
        self.entries.iter().map(|e| e.relative_to(ln_z)).collect()
    }

    /// ln of the mass on the entries that `keep` picks; they must be positive.
    pub fn log_mass_where(&self, keep: impl Fn(usize) -> bool + Clone) -> f64 {
        let kept = self.entries.iter().enumerate().filter(|(j, _)| keep(*j));
        log_sum_exp(kept.map(|(_, e)| e.ln))
    }
}

/// o_i = sum_j p_ij v_j.
pub fn output_row(head: &Head, probabilities: &[f64]) -> Vec<f64> {
    let mut output = vec![0.0; head.value_dim];
    for (j, p) in probabilities.iter().enumerate() {
        for (o, v) in output.iter_mut().zip(head.value(j)) {
            *o += p * v;
        }
    }
    output
}

/// Mean over rows of -sum_j P_ij ln P_ij, in nats.
pub fn entropy(head: &Head) -> f64 {
    let mut sum = 0.0;
    for i in 0..head.queries {
        let p = exact_row(head, i).normalised();
        sum -= p.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    }
    sum / head.queries as f64
}

/// |x - y|_F / |y|_F.
pub fn relative_error(x: &[f64], y: &[f64]) -> f64 {
    let squares = |it: &mut dyn Iterator<Item = f64>| it.map(|d| d * d).sum::<f64>().sqrt();
    squares(&mut x.iter().zip(y).map(|(x, y)| x - y)) / squares(&mut y.iter().copied())
}
