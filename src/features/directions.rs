//! Orthogonal Gaussian directions (FAVOR+, Choromanski et al. 2021, section 2.4).

use crate::random::{Purpose, generator, normals};

/// `count` directions in `dim` dimensions, row-major `[count, dim]`, for slice `slice` = batch · heads + head.
///
/// Blocks of `dim` rows are Haar-distributed rotations, each row scaled by an independent chi-distributed
/// norm with `dim` degrees of freedom: every row alone is standard normal, rows of one block are orthogonal.
/// O(count · dim²).
pub fn directions(seed: u64, slice: usize, dim: usize, count: usize) -> Vec<f32> {
    let mut rng = generator(seed, slice, Purpose::Features);
    let mut out = Vec::with_capacity(count * dim);
    let mut remaining = count;
    while remaining > 0 {
        let rows = remaining.min(dim);
        let mut block = normals(&mut rng, rows * dim);
        orthonormalise(&mut block, dim);
        for row in block.chunks_exact(dim) {
            let norm = normals(&mut rng, dim).iter().map(|x| x * x).sum::<f64>().sqrt();
            out.extend(row.iter().map(|x| (x * norm) as f32));
        }
        remaining -= rows;
    }
    out
}

/// Gram-Schmidt on the rows, twice: Gaussian rows become the first rows of a Haar rotation. The second pass
/// removes what rounding left of the first.
fn orthonormalise(rows: &mut [f64], dim: usize) {
    for r in 0..rows.len() / dim {
        let (done, rest) = rows.split_at_mut(r * dim);
        let row = &mut rest[..dim];
        for _ in 0..2 {
            for earlier in done.chunks_exact(dim) {
                let overlap: f64 = earlier.iter().zip(row.iter()).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(earlier).for_each(|(x, e)| *x -= overlap * e);
            }
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_block_are_orthogonal_and_blocks_are_not_repeated() {
        let dim = 7;
        let w = directions(3, 1, dim, 16);
        let dot =
            |a: usize, b: usize| (0..dim).map(|i| f64::from(w[a * dim + i]) * f64::from(w[b * dim + i])).sum::<f64>();
        for a in 0..dim {
            for b in 0..a {
                assert!(dot(a, b).abs() < 1e-5, "{a} {b}");
            }
        }
        assert!((0..dim).all(|a| dot(a, a + dim) != dot(a, a)));
    }
}
