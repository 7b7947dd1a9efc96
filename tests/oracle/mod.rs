//! The reference of every estimator: one head, dense, f64, one function per formula. It shares nothing with
//! the crate but its random numbers, so that both sides look at the same draw.

// Each test binary compiles its own copy and uses a part of it.
#![allow(dead_code)]

pub mod balance;
pub mod estimator;
pub mod head;
pub mod kernel;
pub mod robust_pca;
pub mod supports;

/// `sign * exp(ln)`. At a sharp temperature exp(s) leaves even the range of f64.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub sign: f64,
    pub ln: f64,
}

impl Entry {
    pub const ZERO: Entry = Entry { sign: 0.0, ln: f64::NEG_INFINITY };

    pub fn exp(ln: f64) -> Entry {
        Entry { sign: 1.0, ln }
    }

    pub fn of(value: f64) -> Entry {
        if value == 0.0 { Entry::ZERO } else { Entry { sign: value.signum(), ln: value.abs().ln() } }
    }

    /// This entry times `exp(ln)`.
    pub fn times_exp(self, ln: f64) -> Entry {
        Entry { ln: self.ln + ln, ..self }
    }

    /// This entry divided by `exp(shift)`.
    pub fn relative_to(self, shift: f64) -> f64 {
        if self.sign == 0.0 { 0.0 } else { self.sign * (self.ln - shift).exp() }
    }

    pub fn value(self) -> f64 {
        self.relative_to(0.0)
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The mean of `rows` vectors of length `dim`; zero if there are none.
pub fn mean(rows: impl Iterator<Item = Vec<f64>>, dim: usize) -> Vec<f64> {
    let (mut sum, mut count) = (vec![0.0; dim], 0);
    for row in rows {
        count += 1;
        for (total, x) in sum.iter_mut().zip(&row) {
            *total += x;
        }
    }
    sum.iter().map(|x| x / f64::max(count as f64, 1.0)).collect()
}

pub fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    largest + terms.map(|t| (t - largest).exp()).sum::<f64>().ln()
}
