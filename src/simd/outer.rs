//! Rank-one updates and reads of a state in f64, for sums that run over a whole sequence.

use fearless_simd::{Level, Simd, dispatch, f64x8, prelude::*};

const LANES: usize = 8;

/// `state[r] += factors[r] · x` for every row of `state` `[factors, x]`; the length of `x` is a multiple of 8.
#[inline(never)]
pub(crate) fn add_outer(factors: &[f64], x: &[f64], state: &mut [f64]) {
    dispatch!(Level::new(), simd => {
        for (row, &factor) in state.chunks_exact_mut(x.len()).zip(factors) {
            add_scaled(simd, factor, x, row);
        }
    })
}

/// `out += Σ_r factors[r] · state[r]`, the transpose of [`add_outer`].
#[inline(never)]
pub(crate) fn add_weighted_rows(factors: &[f64], state: &[f64], out: &mut [f64]) {
    dispatch!(Level::new(), simd => {
        for (row, &factor) in state.chunks_exact(out.len()).zip(factors) {
            add_scaled(simd, factor, row, out);
        }
    })
}

#[inline(always)]
fn add_scaled<S: Simd>(simd: S, factor: f64, x: &[f64], out: &mut [f64]) {
    let factor = f64x8::splat(simd, factor);
    for (x, out) in x.as_chunks::<LANES>().0.iter().zip(out.as_chunks_mut::<LANES>().0) {
        factor.mul_add(f64x8::load_array_ref(simd, x), f64x8::load_array_ref(simd, out)).store_array(out);
    }
}
