//! One head looked at closely, estimators compared over temperatures, and the classical split of a matrix.

mod attention_matrix;
mod decompose;
mod regimes;
#[cfg(feature = "robust-pca")]
mod robust_pca;
mod sweep;

pub use attention_matrix::attention_matrix;
pub use decompose::{Decompose, Decomposition, decompose, decompose_rows};
pub use regimes::{ClusteredTokens, Regime};
#[cfg(feature = "wasm-robust-pca")]
pub(crate) use robust_pca::MAX_ITERATIONS;
#[cfg(feature = "robust-pca")]
pub use robust_pca::{RobustPca, RobustPcaOptions, RobustPcaResult, robust_pca};
#[cfg(feature = "webgpu")]
pub(crate) use sweep::Course;
pub use sweep::{Sweep, SweepPoint, sweep};

/// Sums of squares that make a relative error `|exact - estimate| / |exact|` (Frobenius norms).
#[derive(Debug, Default)]
struct RelativeError {
    difference: f64,
    exact: f64,
}

impl RelativeError {
    fn add(&mut self, exact: &[f32], estimate: &[f32]) {
        for (&x, &y) in exact.iter().zip(estimate) {
            self.difference += (f64::from(x) - f64::from(y)).powi(2);
            self.exact += f64::from(x).powi(2);
        }
    }

    /// 0 where nothing differs, even from nothing; at most `f64::MAX`, which is what differing from nothing gives.
    fn value(&self) -> f64 {
        if self.difference == 0.0 { 0.0 } else { (self.difference / self.exact).sqrt().min(f64::MAX) }
    }
}
