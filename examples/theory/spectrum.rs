//! The best approximations of a given rank, by faer.

use faer::{Mat, MatRef, Side};

/// A matrix as a sum of terms u v' of rank one, the largest first: the first m are its best approximation of rank m.
pub struct Terms {
    pub u: Mat<f64>,
    pub v: Mat<f64>,
}

impl Terms {
    /// All terms of a symmetric matrix.
    pub fn of_symmetric(matrix: MatRef<f64>) -> Terms {
        let n = matrix.nrows();
        let (values, vectors) = largest(matrix, n);
        let v = Mat::from_fn(n, n, |i, term| values[term] * vectors[(i, term)]);
        Terms { u: vectors, v }
    }

    /// The first terms of any matrix M, from the eigenvectors of M M'. Singular values below 1e-8 of the largest are
    /// lost in rounding.
    pub fn leading(matrix: MatRef<f64>, rank: usize) -> Terms {
        let (_, u) = largest((matrix * matrix.transpose()).as_ref(), rank);
        let v = matrix.transpose() * &u;
        Terms { u, v }
    }

    /// Their sum.
    pub fn sum(&self) -> Mat<f64> {
        &self.u * self.v.transpose()
    }
}

/// The eigenvalues of a symmetric matrix that are largest in size, and their vectors as columns.
fn largest(symmetric: MatRef<f64>, count: usize) -> (Vec<f64>, Mat<f64>) {
    let eigen = symmetric.self_adjoint_eigen(Side::Lower).expect("a finite matrix has eigenvalues");
    let (values, vectors) = (eigen.S().column_vector(), eigen.U());
    let mut order: Vec<usize> = (0..values.nrows()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    order.truncate(count);
    let columns = Mat::from_fn(values.nrows(), order.len(), |i, term| vectors[(i, order[term])]);
    (order.iter().map(|&at| values[at]).collect(), columns)
}

/// The singular values of a symmetric matrix, largest first.
pub fn singular_values(symmetric: MatRef<f64>) -> Vec<f64> {
    let mut values = symmetric.self_adjoint_eigenvalues(Side::Lower).expect("a finite matrix has eigenvalues");
    values.iter_mut().for_each(|value| *value = value.abs());
    values.sort_by(|a, b| b.total_cmp(a));
    values
}
