//! Cross-polytope hashing of 16 vectors at a time.

use fearless_simd::{Level, Simd, dispatch, f32x16, prelude::*};

use super::Lanes;
use super::exp::larger;

/// Where the dimension is no power of two, some axes see the same numbers: a tie that rounding must not decide.
const TIE: f32 = 1.0 + 1e-6;

/// Rotates the columns of `x` `[power of two, 16]`, in place, by as many Hadamard-sign products as there are `signs` for, and
/// returns the nearest signed axis of each: twice the axis, plus one where it points the other way. Columns of 0 get 0.
#[inline(never)]
pub(crate) fn nearest_axis(x: &mut [Lanes], signs: &[f32]) -> Lanes {
    dispatch!(Level::new(), simd => {
        // Only directions count, and rotating numbers near f32's limits would overflow.
        let mut length = f32x16::splat(simd, f32::from_bits(1));
        for row in &*x {
            length = larger(length, f32x16::load_array_ref(simd, row).abs());
        }
        for row in &mut *x {
            (f32x16::load_array_ref(simd, row) / length).store_array(row);
        }
        for signs in signs.chunks_exact(x.len()) {
            for (row, &sign) in x.iter_mut().zip(signs) {
                (f32x16::load_array_ref(simd, row) * f32x16::splat(simd, sign)).store_array(row);
            }
            hadamard(simd, x);
        }
        let (mut largest, mut axis) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 0.0));
        let zero = f32x16::splat(simd, 0.0);
        for (r, row) in x.iter().enumerate() {
            let row = f32x16::load_array_ref(simd, row);
            let further = row.abs().simd_gt(largest * f32x16::splat(simd, TIE));
            largest = further.select(row.abs(), largest);
            let here = f32x16::splat(simd, 2.0 * r as f32);
            let own = row.simd_lt(zero).select(here + f32x16::splat(simd, 1.0), here);
            axis = further.select(own, axis);
        }
        axis.to_array()
    })
}

/// The Walsh-Hadamard transform of each column, not normalised.
#[inline(always)]
fn hadamard<S: Simd>(simd: S, x: &mut [Lanes]) {
    let mut half = 1;
    while half < x.len() {
        for block in x.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                let (a, b) = (f32x16::load_array_ref(simd, low), f32x16::load_array_ref(simd, high));
                (a + b).store_array(low);
                (a - b).store_array(high);
            }
        }
        half *= 2;
    }
}
