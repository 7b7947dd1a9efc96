//! Feature maps that are polynomials, or nearly, of the scaled input. Columns in, columns out.

use std::f32::consts::FRAC_1_SQRT_2;

use crate::simd::{LANES, Lanes};

/// Logarithms of elu(x) + 1 of each component (Katharopoulos et al. 2020).
pub(super) fn log_elu(columns: &[Lanes], out: &mut [Lanes]) {
    for (out, column) in out.iter_mut().zip(columns) {
        *out = column.map(|x| if x > 0.0 { x.ln_1p() } else { x });
    }
}

/// Features whose inner product is `1 + x·y`, and for order 2 `1 + x·y + (x·y)²/2`.
pub(super) fn taylor(columns: &[Lanes], order: usize, out: &mut [Lanes]) {
    let dim = columns.len();
    out[0] = [1.0; LANES];
    out[1..=dim].copy_from_slice(columns);
    if order == 1 {
        return;
    }
    let mut next = 1 + dim;
    for a in 0..dim {
        // Off the diagonal each product occurs twice in (x·y)²/2, on it once.
        for b in a..dim {
            let weight = if a == b { FRAC_1_SQRT_2 } else { 1.0 };
            out[next] = std::array::from_fn(|lane| weight * columns[a][lane] * columns[b][lane]);
            next += 1;
        }
    }
}
