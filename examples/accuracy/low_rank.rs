//! The oracle of sparse + low rank: the largest entries of each row exactly, and the best low rank for what they leave.

use faer::{Mat, Side};

use crate::baselines::{logits, output_row, softmax, top};
use crate::head::Head;
use crate::outcome::{Outcome, RelativeError};

/// Longest head whose matrix is decomposed: the time grows with the cube of the tokens.
const LONGEST: usize = 1100;

/// Half of the floats are entries, half are the rank; `None` for long heads. O(tokens³).
pub fn top_k_and_svd(head: &Head, budget: f64, exact: &[f64]) -> Option<Outcome> {
    let n = head.tokens;
    if n > LONGEST {
        return None;
    }
    let floats = head.floats(budget);
    let (count, rank) = (floats / 2, floats - floats / 2);
    let mut rest = Mat::<f64>::zeros(n, n);
    let mut matrix = vec![0.0; n * n];
    let (mut kept, mut mass) = (vec![Vec::new(); n], 0.0);
    for (query, kept) in kept.iter_mut().enumerate() {
        let logits = logits(head, query);
        let row = softmax(&logits);
        matrix[query * n..][..row.len()].copy_from_slice(&row);
        row.iter().enumerate().for_each(|(key, &x)| rest[(query, key)] = x);
        *kept = top(&logits, count);
        kept.truncate(count);
        for &key in kept.iter() {
            mass += row[key as usize];
            rest[(query, key as usize)] = 0.0;
        }
    }
    // Eigenvectors of R Rᵀ, ascending: those of the largest eigenvalues span the best column space for R.
    let eigen = (&rest * rest.transpose()).self_adjoint_eigen(Side::Lower).ok()?;
    let basis = eigen.U().subcols(n - rank, rank);
    let low_rank = basis * (basis.transpose() * &rest);
    let mut error = RelativeError::default();
    let mut output = Vec::with_capacity(n * head.dim);
    let mut estimate = vec![0.0; n];
    for (query, kept) in kept.iter().enumerate() {
        (0..n).for_each(|key| estimate[key] = low_rank[(query, key)]);
        let row = &matrix[query * n..][..n];
        kept.iter().for_each(|&key| estimate[key as usize] = row[key as usize]);
        row.iter().zip(&estimate).for_each(|(&x, &y)| error.add(x, y));
        output.extend(output_row(head, &estimate));
    }
    Some(Outcome {
        label: "top-k + SVD of the rest (oracle)",
        errors: vec![RelativeError::of(exact, output.into_iter())],
        matrix_error: Some(error.value()),
        mass: Some(mass / n as f64),
        entries: kept.iter().map(Vec::len).sum::<usize>() as f64 / n as f64,
        features: rank as f64,
        milliseconds: None,
    })
}
