//! Balancing, by the square-root method of balanced realisations (Laub, Heath, Paige and Ward 1987): Cholesky factors of both
//! moments and a singular value decomposition.

use super::{dot, norm};

pub type Rows = Vec<Vec<f64>>;

/// q -> M q and k -> M^-T k, as rows of M and of M^-T: the upper triangular M after which the second moments
/// of `q` and `k` are equal. Each moment gets 1e-6 of its mean eigenvalue added to its diagonal.
pub struct Balance {
    pub m: Rows,
    pub inverse_transposed: Rows,
}

impl Balance {
    pub fn new(q: &[Vec<f64>], k: &[Vec<f64>], dim: usize) -> Balance {
        let (lq, lk) = (cholesky(&moment(q, dim)), cholesky(&moment(k, dim)));
        // With Lq' Lk = U s V' the rows of s^-1/2 V' Lk' are an M, and G = M'M is what all M have in common.
        let mut right = transposed(&lk);
        let mut left: Rows = right.iter().map(|column| times(&transposed(&lq), column)).collect();
        orthogonalise(&mut left, &mut right);
        let rows: Rows = left.iter().zip(&right).map(|(l, r)| r.iter().map(|x| x / norm(l).sqrt()).collect()).collect();
        let columns = transposed(&rows);
        let g: Rows = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
        let lower = cholesky(&g);
        let inverse_transposed = transposed(&(0..dim).map(|j| solve(&lower, j)).collect());
        Balance { m: transposed(&lower), inverse_transposed }
    }

    pub fn query(&self, q: &[f64]) -> Vec<f64> {
        times(&self.m, q)
    }

    pub fn key(&self, k: &[f64]) -> Vec<f64> {
        times(&self.inverse_transposed, k)
    }
}

fn moment(tokens: &[Vec<f64>], dim: usize) -> Rows {
    let count = f64::max(tokens.len() as f64, 1.0);
    let entry = |i: usize, j: usize| tokens.iter().map(|x| x[i] * x[j]).sum::<f64>() / count;
    let mut all: Rows = (0..dim).map(|i| (0..dim).map(|j| entry(i, j)).collect()).collect();
    let trace: f64 = (0..dim).map(|i| all[i][i]).sum();
    (0..dim).for_each(|i| all[i][i] += f64::max(1e-6 * trace / dim as f64, 1e-90));
    all
}

fn times(rows: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    rows.iter().map(|row| dot(row, x)).collect()
}

fn transposed(rows: &Rows) -> Rows {
    (0..rows.len()).map(|j| rows.iter().map(|row| row[j]).collect()).collect()
}

/// L with L L' = s.
fn cholesky(s: &Rows) -> Rows {
    let mut l = vec![vec![0.0; s.len()]; s.len()];
    for i in 0..s.len() {
        for j in 0..=i {
            let rest = s[i][j] - dot(&l[i][..j], &l[j][..j]);
            l[i][j] = if i == j { rest.sqrt() } else { rest / l[j][j] };
        }
    }
    l
}

/// Column `j` of the inverse of a lower triangular matrix.
fn solve(lower: &Rows, j: usize) -> Vec<f64> {
    let mut x = vec![0.0; lower.len()];
    for i in j..lower.len() {
        x[i] = (f64::from(u8::from(i == j)) - dot(&lower[i][..i], &x[..i])) / lower[i][i];
    }
    x
}

/// Rotates pairs of `left`, and those of `right` alike, until all of `left` are orthogonal (Hestenes 1958).
fn orthogonalise(left: &mut Rows, right: &mut Rows) {
    for _ in 0..60 {
        let mut largest = 0.0f64;
        for j in 1..left.len() {
            for i in 0..j {
                let (a, b, c) = (dot(&left[i], &left[i]), dot(&left[j], &left[j]), dot(&left[i], &left[j]));
                let cosine = c.abs() / (a * b).sqrt();
                largest = largest.max(cosine);
                if cosine > 1e-15 {
                    let cotangent = (b - a) / (2.0 * c);
                    let tangent = cotangent.signum() / (cotangent.abs() + cotangent.hypot(1.0));
                    let cos = 1.0 / tangent.hypot(1.0);
                    for rows in [&mut *left, &mut *right] {
                        let (before, after) = rows.split_at_mut(j);
                        for (x, y) in before[i].iter_mut().zip(&mut after[0]) {
                            (*x, *y) = (cos * (*x - tangent * *y), cos * (tangent * *x + *y));
                        }
                    }
                }
            }
        }
        if largest < 1e-12 {
            return;
        }
    }
    panic!("no convergence");
}
