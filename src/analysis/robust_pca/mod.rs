//! Robust principal component analysis: a matrix as low rank plus sparse, without a budget for either.

mod thresholding;

use web_time::Instant;

use crate::error::{Error, Result, number};
use crate::memory::{filled, with_capacity};
use crate::plan::positive;
use crate::shape::MAX_SIZE;
use thresholding::Thresholding;

/// Growth of the penalty μ from one iteration to the next.
const GROWTH: f64 = 1.5;

/// The penalty stays below so many times its first value, as in the authors' program: beyond, shrinking changes nothing
/// that doubles could show.
const MAX_GROWTH: f64 = 1e7;

/// Most iterations that may be asked for.
pub(crate) const MAX_ITERATIONS: usize = 10_000;

/// The options of [`robust_pca`]. `RobustPcaOptions::default()` is every default.
#[derive(Debug, Clone, PartialEq)]
pub struct RobustPcaOptions {
    /// Weight of the sparse part: a larger one makes it sparser, and the other part's rank larger. Positive. Default
    /// `1 / sqrt(max(rows, columns))`, for which recovery is proved.
    pub lambda: Option<f64>,
    /// Converged once `|M - L - S|_F <= tolerance · |M|_F`. Above 0 and below 1. Default 1e-7.
    pub tolerance: f64,
    /// Gives up after so many iterations, 1 to 10,000. Default 100; 20 to 40 are usual.
    pub max_iterations: usize,
}

impl Default for RobustPcaOptions {
    fn default() -> Self {
        RobustPcaOptions { lambda: None, tolerance: 1e-7, max_iterations: 100 }
    }
}

/// M as `low_rank + sparse`, to the residual. Matrices are `[rows, columns]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct RobustPcaResult {
    /// As given.
    pub rows: usize,
    /// As given.
    pub columns: usize,
    /// L.
    pub low_rank: Vec<f32>,
    /// S.
    pub sparse: Vec<f32>,
    /// Rank of L: how many singular values it has.
    pub rank: usize,
    /// Entries of S that are not 0.
    pub nonzeros: usize,
    /// `|M - L - S|_F / |M|_F`, 0 for a matrix of zeros; before L and S are rounded to f32.
    pub residual: f64,
    /// Iterations that were done.
    pub iterations: usize,
    /// Whether the residual reached the tolerance.
    pub converged: bool,
    /// Those of L, descending, `rank` of them.
    pub singular_values: Vec<f64>,
    /// Time spent computing.
    pub milliseconds: f64,
    /// Bytes of matrices and scratch at the most, as planned.
    pub peak_bytes: u64,
}

/// Splits `matrix`, row-major `[rows, columns]`, into L of low rank and S with few entries: principal component pursuit,
///
/// ```text
/// minimise |L|_* + λ |S|_1    subject to L + S = M,
/// ```
///
/// |L|_* being the sum of L's singular values. Where the matrix is such a sum, L incoherent and S's entries scattered, this
/// gives back both parts, whatever the size of S's entries (Candès, Li, Ma and Wright 2011, arXiv 0912.3599). By the
/// inexact augmented Lagrange multiplier method (Lin, Chen and Ma 2010, arXiv 1009.5055), in f64: μ starts at `1.25 / |M|_2`
/// and grows by half each time.
///
/// O(rows · columns · min(rows, columns)) time for each iteration, and about 80 bytes per entry of a square matrix.
///
/// ```
/// use scatterbrain::analysis::{RobustPcaOptions, robust_pca};
///
/// // Rank 1, and one entry that does not fit.
/// let mut matrix: Vec<f32> = (0..400).map(|n| ((n / 20) as f32 * 0.3).cos() * ((n % 20) as f32 * 0.7).sin()).collect();
/// matrix[123] += 5.0;
/// let parts = robust_pca(&matrix, 20, 20, &RobustPcaOptions::default())?;
/// assert_eq!((parts.rank, parts.nonzeros), (1, 1));
/// assert!((parts.sparse[123] - 5.0).abs() < 1e-5);
/// # Ok::<(), scatterbrain::Error>(())
/// ```
///
/// # Errors
/// Those of [`RobustPca::new`] and [`RobustPca::step`].
pub fn robust_pca(matrix: &[f32], rows: usize, columns: usize, options: &RobustPcaOptions) -> Result<RobustPcaResult> {
    let mut work = RobustPca::new(matrix, rows, columns, options)?;
    while !work.is_done() {
        work.step()?;
    }
    work.finish()
}

/// A decomposition under way: [`step`](RobustPca::step) until [`is_done`](RobustPca::is_done), then
/// [`finish`](RobustPca::finish).
///
/// Matrices are kept with their shorter side as columns, so that a transposed problem is the same problem, and divided by
/// a power of two, so that a matrix times a power of two is too.
pub struct RobustPca {
    rows: usize,
    columns: usize,
    lambda: f64,
    tolerance: f64,
    max_iterations: usize,
    /// The power of two that everything was divided by.
    unit: f64,
    matrix: Vec<f64>,
    low_rank: Vec<f64>,
    sparse: Vec<f64>,
    /// The multipliers Y, divided by μ.
    dual: Vec<f64>,
    /// What is to be thresholded.
    target: Vec<f64>,
    thresholding: Thresholding,
    stage: Stage,
    /// |M|_F.
    norm: f64,
    mu: f64,
    max_mu: f64,
    iterations: usize,
    residual: f64,
    fraction: f64,
    milliseconds: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// |M|_2, for the first μ.
    Norm,
    Sparse,
    LowRank,
    Done,
}

impl RobustPca {
    /// Checks everything, copies the matrix and takes the memory.
    ///
    /// # Errors
    /// [`Error::InvalidShape`], [`Error::InvalidOption`] or [`Error::NonFinite`] naming the argument and its value;
    /// [`Error::OutOfMemory`].
    pub fn new(matrix: &[f32], rows: usize, columns: usize, options: &RobustPcaOptions) -> Result<RobustPca> {
        let lambda = check(matrix, rows, columns, options)?;
        let largest = matrix.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let unit = if largest > 0.0 { f64::from(largest).log2().floor().exp2() } else { 1.0 };
        let (long, short) = (rows.max(columns), rows.min(columns));
        let what = "matrices of rows x columns";
        let mut scaled = with_capacity(what, matrix.len())?;
        if rows <= columns {
            scaled.extend(matrix.iter().map(|&x| f64::from(x) / unit));
        } else {
            scaled.extend((0..columns).flat_map(|j| (0..rows).map(move |i| f64::from(matrix[i * columns + j]) / unit)));
        }
        let norm = scaled.iter().map(|x| x * x).sum::<f64>().sqrt();
        Ok(RobustPca {
            rows,
            columns,
            lambda,
            tolerance: options.tolerance,
            max_iterations: options.max_iterations,
            unit,
            low_rank: filled(what, matrix.len(), 0.0)?,
            sparse: filled(what, matrix.len(), 0.0)?,
            dual: filled(what, matrix.len(), 0.0)?,
            target: filled(what, matrix.len(), 0.0)?,
            matrix: scaled,
            thresholding: Thresholding::new(long, short)?,
            stage: if norm > 0.0 { Stage::Norm } else { Stage::Done },
            norm,
            mu: 0.0,
            max_mu: 0.0,
            iterations: 0,
            residual: if norm > 0.0 { 1.0 } else { 0.0 },
            fraction: 0.0,
            milliseconds: 0.0,
        })
    }

    /// Whether it has converged, or has done all the iterations that it may.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// An estimate of the share of the work done, from 0 to 1, which never falls: how many orders of magnitude the residual
    /// has come down, of those that it should, or the share of the iterations allowed.
    pub fn fraction(&self) -> f64 {
        if self.is_done() { 1.0 } else { self.fraction }
    }

    /// Does a part of one iteration. The longest part reduces the Gram matrix of the shorter side to tridiagonal form,
    /// O(min(rows, columns)³). Does nothing when done.
    ///
    /// # Errors
    /// [`Error::Unsupported`] should the eigenvalues of the Gram matrix not be found, which is not known to happen.
    pub fn step(&mut self) -> Result<()> {
        let start = Instant::now();
        match self.stage {
            Stage::Norm => {
                if self.thresholding.step(&self.matrix, f64::INFINITY, &mut self.low_rank)? {
                    self.begin();
                }
            }
            Stage::Sparse => {
                self.update_sparse();
                self.stage = Stage::LowRank;
            }
            Stage::LowRank => {
                if self.thresholding.step(&self.target, 1.0 / self.mu, &mut self.low_rank)? {
                    self.update_dual();
                }
            }
            Stage::Done => {}
        }
        self.milliseconds += start.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }

    /// The two parts, after the last whole iteration.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn finish(self) -> Result<RobustPcaResult> {
        let sparse = self.rounded("sparse", &self.sparse)?;
        Ok(RobustPcaResult {
            rows: self.rows,
            columns: self.columns,
            low_rank: self.rounded("lowRank", &self.low_rank)?,
            rank: self.thresholding.rank(),
            nonzeros: sparse.iter().filter(|&&x| x != 0.0).count(),
            sparse,
            residual: self.residual,
            iterations: self.iterations,
            converged: self.residual <= self.tolerance,
            singular_values: self.thresholding.singular_values().map(|x| x * self.unit).collect(),
            milliseconds: self.milliseconds,
            peak_bytes: self.peak_bytes(),
        })
    }

    /// Sets μ and the multipliers from |M|_2: as large as the dual norm allows.
    fn begin(&mut self) {
        let spectral = self.thresholding.norm();
        let largest = self.matrix.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        self.mu = 1.25 / spectral;
        self.max_mu = MAX_GROWTH * self.mu;
        let factor = 1.0 / (self.mu * spectral.max(largest / self.lambda));
        self.dual.iter_mut().zip(&self.matrix).for_each(|(y, x)| *y = x * factor);
        self.stage = Stage::Sparse;
    }

    /// S = shrink(M - L + Y/μ, λ/μ), and from it M - S + Y/μ, of which L is the low-rank part.
    fn update_sparse(&mut self) {
        let limit = self.lambda / self.mu;
        let parts = self.sparse.iter_mut().zip(&mut self.target).zip(&self.low_rank);
        for (((s, target), l), (x, y)) in parts.zip(self.matrix.iter().zip(&self.dual)) {
            let rest = x - l + y;
            *s = rest - rest.clamp(-limit, limit);
            *target = x - *s + y;
        }
    }

    /// Y += μ (M - L - S), then μ grows.
    fn update_dual(&mut self) {
        let mu = (GROWTH * self.mu).min(self.max_mu);
        let (shrink, mut squares) = (self.mu / mu, 0.0);
        for ((y, x), (l, s)) in self.dual.iter_mut().zip(&self.matrix).zip(self.low_rank.iter().zip(&self.sparse)) {
            let rest = x - l - s;
            squares += rest * rest;
            *y = (*y + rest) * shrink;
        }
        self.mu = mu;
        self.residual = squares.sqrt() / self.norm;
        self.iterations += 1;
        let orders = self.residual.ln() / self.tolerance.ln();
        let allowed = self.iterations as f64 / self.max_iterations as f64;
        self.fraction = self.fraction.max(orders).max(allowed).min(1.0);
        let done = self.residual <= self.tolerance || self.iterations == self.max_iterations;
        self.stage = if done { Stage::Done } else { Stage::Sparse };
    }

    /// One part as the caller sees it.
    fn rounded(&self, what: &'static str, part: &[f64]) -> Result<Vec<f32>> {
        let (rows, columns) = (self.rows, self.columns);
        let round = |x: f64| (x * self.unit).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        let mut out = with_capacity(what, part.len())?;
        if rows <= columns {
            out.extend(part.iter().map(|&x| round(x)));
        } else {
            out.extend((0..rows).flat_map(|i| (0..columns).map(move |j| round(part[j * rows + i]))));
        }
        Ok(out)
    }

    fn peak_bytes(&self) -> u64 {
        let (long, short) = (self.rows.max(self.columns), self.rows.min(self.columns));
        let matrices = 5 * size_of::<f64>() + 3 * size_of::<f32>();
        (self.matrix.len() * matrices) as u64 + Thresholding::bytes(long, short)
    }
}

/// Checks a call; gives λ.
fn check(matrix: &[f32], rows: usize, columns: usize, options: &RobustPcaOptions) -> Result<f64> {
    for (name, size) in [("rows", rows), ("columns", columns)] {
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Error::shape(name, size, format!("a whole number from 1 to {MAX_SIZE}")));
        }
    }
    let expected = rows as u64 * columns as u64;
    if matrix.len() as u64 != expected {
        return Err(Error::shape("matrix.length", matrix.len(), format!("{expected} (rows * columns)")));
    }
    let lambda = match options.lambda {
        Some(lambda) => positive("lambda", lambda)?,
        None => 1.0 / (rows.max(columns) as f64).sqrt(),
    };
    if !(options.tolerance > 0.0 && options.tolerance < 1.0) {
        return Err(Error::option("tolerance", number(options.tolerance), "a number above 0 and below 1"));
    }
    if !(1..=MAX_ITERATIONS).contains(&options.max_iterations) {
        let expected = format!("a whole number from 1 to {MAX_ITERATIONS}");
        return Err(Error::option("maxIterations", options.max_iterations, expected));
    }
    if let Some(index) = matrix.iter().position(|x| !x.is_finite()) {
        return Err(Error::NonFinite { name: "matrix", index, value: matrix[index] });
    }
    Ok(lambda)
}
