//! Second moments of tokens, and what is done with matrices of that kind: symmetric and positive definite, in f64,
//! row-major `[dim, stride(dim)]`. The columns that pad a row are 0.

use crate::error::Result;
use crate::memory;
use crate::simd::{LANES, Lanes, add_outer, panel_count, product};

/// Tokens may span less than the space, and no direction may count for nothing at all: this share of the mean
/// variance is added to every direction's.
const RIDGE: f64 = 1e-6;

/// The square of the smallest f32, for tokens that do not differ at all.
const SMALLEST: f64 = 1e-90;

/// Tokens worked on together.
const BLOCK: usize = 64;

/// The length of a row: whole vectors.
pub(crate) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(8)
}

/// Sums over tokens of `(x - mean)(x - mean)ᵀ`, as the tokens come.
pub(crate) struct Moments {
    mean: Vec<f64>,
    /// The lower triangle at least.
    sums: Vec<f64>,
    count: usize,
}

impl Moments {
    pub fn new(what: &'static str, mean: Vec<f64>) -> Result<Moments> {
        let sums = memory::filled(what, mean.len() * stride(mean.len()), 0.0)?;
        Ok(Moments { mean, sums, count: 0 })
    }

    /// What [`add_rounded`](Self::add_rounded) takes while it works.
    pub fn block_bytes(dim: usize) -> usize {
        panel_count(dim) * BLOCK * size_of::<Lanes>()
    }

    /// Adds tokens, row-major `[_, dim]`. O(tokens · dim²).
    pub fn add(&mut self, tokens: &[f32]) {
        let dim = self.mean.len();
        let mut centred = vec![0.0; stride(dim)];
        for token in tokens.chunks_exact(dim) {
            for ((out, &x), mean) in centred.iter_mut().zip(token).zip(&self.mean) {
                *out = f64::from(x) - mean;
            }
            add_outer(&centred[..dim], &centred, &mut self.sums);
        }
        self.count += tokens.len() / dim;
    }

    /// As [`add`](Self::add) in a sixth of the time, with products in f32: for uses that do not ask for the smallest
    /// directions.
    pub fn add_rounded(&mut self, tokens: &[f32]) {
        let dim = self.mean.len();
        let stride = stride(dim);
        let count = panel_count(dim);
        // Sums of f32 over a block, of f64 over blocks.
        let mut centred = vec![[[0.0; LANES]; BLOCK]; count];
        for tokens in tokens.chunks(BLOCK * dim) {
            for (t, token) in tokens.chunks_exact(dim).enumerate() {
                for ((d, &x), mean) in token.iter().enumerate().zip(&self.mean) {
                    centred[d / LANES][t][d % LANES] = (f64::from(x) - mean) as f32;
                }
            }
            let tokens = tokens.len() / dim;
            for left in 0..count {
                for right in 0..=left {
                    let mut tile = [[0.0; LANES]; LANES];
                    product(&centred[left][..tokens], &centred[right][..tokens], &mut tile, false);
                    for (row, sums) in tile.iter().zip(self.sums.chunks_exact_mut(stride).skip(left * LANES)) {
                        let sums = sums[..dim].iter_mut().skip(right * LANES);
                        sums.zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
                    }
                }
            }
            self.count += tokens;
        }
    }

    /// Their mean over tokens, with a ridge that makes it positive definite.
    pub fn mean(&self, what: &'static str) -> Result<Vec<f64>> {
        let (dim, stride) = (self.mean.len(), stride(self.mean.len()));
        let mut moment = memory::with_capacity(what, self.sums.len())?;
        let count = self.count.max(1) as f64;
        moment.extend(self.sums.iter().map(|sum| sum / count));
        for row in 0..dim {
            (0..row).for_each(|col| moment[col * stride + row] = moment[row * stride + col]);
        }
        let trace: f64 = moment.iter().step_by(stride + 1).sum();
        let ridge = (RIDGE * trace / dim as f64).max(SMALLEST);
        moment.iter_mut().step_by(stride + 1).for_each(|x| *x += ridge);
        Ok(moment)
    }
}

/// The lower Cholesky factor, in place; the upper half becomes 0. O(dim³).
pub(crate) fn cholesky(s: &mut [f64], dim: usize) {
    let stride = stride(dim);
    for j in 0..dim {
        // Rounding must not turn a pivot negative.
        let floor = f64::EPSILON * s[j * stride + j];
        for i in j..dim {
            let dot: f64 = (0..j).map(|k| s[i * stride + k] * s[j * stride + k]).sum();
            let rest = s[i * stride + j] - dot;
            s[i * stride + j] = if i == j { rest.max(floor).sqrt() } else { rest / s[j * stride + j] };
        }
        s[j * stride + j + 1..(j + 1) * stride].fill(0.0);
    }
}

/// The inverse, in place, by the sweep operator (Goodnight 1979). O(dim³).
pub(crate) fn invert(s: &mut [f64], dim: usize) {
    let stride = stride(dim);
    for k in 0..dim {
        let row = s[k * stride..(k + 1) * stride].to_vec();
        let pivot = row[k];
        let factors: Vec<f64> = row[..dim].iter().map(|x| -x / pivot).collect();
        add_outer(&factors, &row, s);
        for (i, factor) in factors.iter().enumerate() {
            s[k * stride + i] = -factor;
            s[i * stride + k] = -factor;
        }
        s[k * stride + k] = -1.0 / pivot;
    }
    s.iter_mut().for_each(|x| *x = -*x);
}
