//! Balancing: q → Mq and k → M⁻ᵀk leave every logit what it is, and with the right M queries and keys are as short
//! as they can be, and the variance of random features with them.
//!
//! With the second moments S_q and S_k of queries and keys, the mean of |Mq|² + |M⁻ᵀk|² is tr(G S_q) + tr(G⁻¹ S_k),
//! G = MᵀM. It is least where G S_q G = S_k: at the geometric mean of S_k and S_q⁻¹, after which queries and keys
//! have the same moments. Of the M with MᵀM = G, which differ by a rotation, this takes the upper triangular one.

use crate::attention::Head;
use crate::error::Result;
use crate::memory;
use crate::moments::{Moments, cholesky, invert, stride};

const WHAT: &str = "the balance of queries and keys";

/// The iteration stops when what should be 1 in every direction is so nearly, in the mean. The step after that squares what
/// is missing.
const TOLERANCE: f64 = 1e-9;

/// Five are usual, and ten enough for moments with the ridge of theirs; rounding must not make it more.
const MAX_STEPS: usize = 20;

/// The two changes of variables, as matrices `[dim, stride(dim)]` whose rows are to be weighted by a token and summed.
pub(crate) struct Balance {
    /// Mᵀ.
    pub queries: Vec<f64>,
    /// M⁻¹.
    pub keys: Vec<f64>,
}

impl Balance {
    /// Fitted to the queries and the keys of a head about the means given. O(tokens · dim² + dim³).
    pub fn new(head: &Head, query_mean: &[f64], key_mean: &[f64]) -> Result<Balance> {
        let queries = second_moment(&head.q, query_mean)?;
        let keys = second_moment(&head.k, key_mean)?;
        let mut lower = geometric_mean(keys, queries, head.dim)?;
        cholesky(&mut lower, head.dim);
        Ok(Balance { keys: inverse_transposed(&lower, head.dim)?, queries: lower })
    }

    /// Scratch bytes while it is fitted.
    pub fn bytes(dim: usize) -> u64 {
        (4 * dim * stride(dim) * size_of::<f64>()) as u64
    }
}

/// Mean over tokens of `(x - mean)(x - mean)ᵀ`.
fn second_moment(tokens: &[f32], mean: &[f64]) -> Result<Vec<f64>> {
    let mut moments = Moments::new(WHAT, mean.to_vec())?;
    moments.add(tokens);
    moments.mean(WHAT)
}

/// L⁻ᵀ of a lower triangular L, by substitution.
fn inverse_transposed(lower: &[f64], dim: usize) -> Result<Vec<f64>> {
    let stride = stride(dim);
    let mut out = memory::filled(WHAT, lower.len(), 0.0)?;
    for (j, column) in out.chunks_exact_mut(stride).enumerate() {
        for (i, row) in lower.chunks_exact(stride).enumerate().skip(j) {
            let known: f64 = row[j..i].iter().zip(&column[j..i]).map(|(l, x)| l * x).sum();
            column[i] = (if i == j { 1.0 } else { 0.0 } - known) / row[i];
        }
    }
    Ok(out)
}

/// The G with G y G = x, all positive definite: the geometric mean of x and y⁻¹.
///
/// Newton's iteration as Denman and Beavers (1976) couple it: x ← (μx + (μy)⁻¹) / 2 and y ← (μy + (μx)⁻¹) / 2 keep what G is
/// and bring xy to the identity. The μ with tr(μ²xy) = tr((μ²xy)⁻¹) makes it quick from anywhere, and the product of the
/// two traces is dim² only at the identity. O(dim³) a step.
fn geometric_mean(mut x: Vec<f64>, mut y: Vec<f64>, dim: usize) -> Result<Vec<f64>> {
    let mut x_inverse = memory::filled(WHAT, x.len(), 0.0)?;
    let mut y_inverse = memory::filled(WHAT, y.len(), 0.0)?;
    let trace = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    for _ in 0..MAX_STEPS {
        x_inverse.copy_from_slice(&x);
        y_inverse.copy_from_slice(&y);
        invert(&mut x_inverse, dim);
        invert(&mut y_inverse, dim);
        let (large, small) = (trace(&x, &y), trace(&x_inverse, &y_inverse));
        // Of each by itself: the quotient of two extremes is out of range.
        let scale = small.sqrt().sqrt() / large.sqrt().sqrt();
        let step = |(x, inverse): (&mut f64, &f64)| *x = (scale * *x + inverse / scale) / 2.0;
        x.iter_mut().zip(&y_inverse).for_each(step);
        y.iter_mut().zip(&x_inverse).for_each(step);
        if (large * small).sqrt() < (1.0 + TOLERANCE) * dim as f64 {
            break;
        }
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::add_weighted_rows;

    /// Anisotropic, and the more so the larger `spread`; symmetric positive definite.
    fn matrix(dim: usize, spread: f64, seed: u64) -> Vec<f64> {
        let mut rng = crate::random::generator(seed, 0, crate::random::Purpose::Features);
        let factor = crate::random::normals(&mut rng, dim * dim);
        let scale = |k: usize| spread.powf(k as f64 / dim as f64);
        let entry = |i: usize, j: usize| (0..dim).map(|k| factor[i * dim + k] * factor[j * dim + k] * scale(k)).sum();
        let mut all = vec![0.0; dim * stride(dim)];
        for i in 0..dim {
            (0..dim).for_each(|j| all[i * stride(dim) + j] = entry(i, j));
        }
        // The ridge of a second moment.
        let trace: f64 = all.iter().step_by(stride(dim) + 1).sum();
        all.iter_mut().step_by(stride(dim) + 1).for_each(|x| *x += 1e-6 * trace / dim as f64);
        all
    }

    fn product(a: &[f64], b: &[f64], dim: usize) -> Vec<f64> {
        let mut out = vec![0.0; a.len()];
        for (out, row) in out.chunks_exact_mut(stride(dim)).zip(a.chunks_exact(stride(dim))) {
            add_weighted_rows(&row[..dim], b, out);
        }
        out
    }

    fn distance(a: &[f64], b: &[f64]) -> f64 {
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
    }

    #[test]
    fn geometric_mean_solves_its_equation_and_its_factor_is_inverted() {
        for dim in [1, 2, 3, 8, 9, 31, 64] {
            // The extremes are moments of saturated tokens, and of none.
            for (spread, x_scale, y_scale) in
                [(1.0, 1.0, 1.0), (1e4, 1e-30, 1.0), (1e8, 1e34, 1e-90), (1.0, 1e-90, 1e-90), (1.0, 1e34, 1e34)]
            {
                let scaled =
                    |by: f64, seed: u64| -> Vec<f64> { matrix(dim, spread, seed).iter().map(|x| x * by).collect() };
                let (x, y) = (scaled(x_scale, 1), scaled(y_scale, 2));
                let mut g = geometric_mean(x.clone(), y.clone(), dim).unwrap();
                let off = distance(&product(&product(&g, &y, dim), &g, dim), &x);
                assert!(off < dim as f64 * TOLERANCE, "dim {dim}, spread {spread}: {off}");

                cholesky(&mut g, dim);
                let inverse = inverse_transposed(&g, dim).unwrap();
                for (i, row) in g.chunks_exact(stride(dim)).enumerate() {
                    for (j, column) in inverse.chunks_exact(stride(dim)).enumerate() {
                        let entry: f64 = row.iter().zip(column).map(|(a, b)| a * b).sum();
                        assert!((entry - f64::from(u8::from(i == j))).abs() < 1e-11, "dim {dim} [{i}, {j}]: {entry}");
                    }
                }
            }
        }
    }
}
