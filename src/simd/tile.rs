//! What is done to a tile before and after its product.

use fearless_simd::{Level, dispatch, f32x16, prelude::*};

use super::{LANES, Lanes};

/// `out[m][n] = rows[m] + columns[n]`: where a product starts from.
#[inline(never)]
pub(crate) fn outer_sum(rows: &[f32], columns: &Lanes, out: &mut [Lanes]) {
    dispatch!(Level::new(), simd => {
        let columns = f32x16::load_array_ref(simd, columns);
        for (&row, out) in rows.iter().zip(out) {
            (f32x16::splat(simd, row) + columns).store_array(out);
        }
    })
}

/// `tile[m] *= factors[m]`, held within the range of finite numbers.
#[inline(never)]
pub(crate) fn scale_rows(tile: &mut [Lanes; LANES], factors: &Lanes) {
    dispatch!(Level::new(), simd => {
        let limit = f32x16::splat(simd, f32::MAX);
        for (row, &factor) in tile.iter_mut().zip(factors) {
            let scaled = f32x16::load_array_ref(simd, row) * f32x16::splat(simd, factor);
            scaled.min(limit).max(-limit).store_array(row);
        }
    })
}

/// `columns *= factor`, held within `limit` of zero; returns half the sum of their squares, lane by lane.
#[inline(never)]
pub(crate) fn scale_columns(columns: &mut [Lanes], factor: f32, limit: f32) -> Lanes {
    dispatch!(Level::new(), simd => {
        let (factor, limit) = (f32x16::splat(simd, factor), f32x16::splat(simd, limit));
        let mut sum = f32x16::splat(simd, 0.0);
        for column in columns {
            let scaled = (f32x16::load_array_ref(simd, column) * factor).min(limit).max(-limit);
            scaled.store_array(column);
            sum = scaled.mul_add(scaled, sum);
        }
        (sum * f32x16::splat(simd, 0.5)).to_array()
    })
}

/// Whether no element is a NaN or an infinity.
#[inline(never)]
pub(crate) fn all_finite(x: &[f32]) -> bool {
    let (chunks, rest) = x.as_chunks::<LANES>();
    dispatch!(Level::new(), simd => {
        // 0 times a finite number is 0, and times any other NaN, which sums keep.
        let zero = f32x16::splat(simd, 0.0);
        let mut sum = zero;
        for chunk in chunks {
            sum = f32x16::load_array_ref(simd, chunk).mul_add(zero, sum);
        }
        sum.reduce_sum() == 0.0 && rest.iter().all(|x| x.is_finite())
    })
}
