//! The exponential.
//!
//! `exp(x) = 2ⁿ · exp(r)` with `n = round(x / ln 2)` and `|r| <= ln 2 / 2`; `exp(r)` by its Taylor
//! polynomial of degree 7, whose remainder on that interval is below 3·10⁻⁹, a fortieth of an f32 ulp. Softmax only asks
//! for `x <= 0` (up to rounding), so the upper clamp costs nothing and keeps 2ⁿ a normal number. Arguments below
//! `ln(2⁻¹²⁶)` give exactly 0.

use fearless_simd::{Level, Simd, dispatch, f32x16, i32x16, prelude::*};

use super::{LANES, Lanes};

/// Below this the result would be subnormal.
const SMALLEST: f32 = -87.33654;
const LARGEST: f32 = 88.0;

/// ln 2 in two parts: the first has 9 significant bits, so that n times it is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

#[inline(always)]
fn exp<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let splat = |value| f32x16::splat(simd, value);
    let clamped = x.max(splat(SMALLEST)).min(splat(LARGEST));
    let n = (clamped * splat(std::f32::consts::LOG2_E)).round_ties_even();
    let r = n.mul_add(splat(-LN2_HIGH), clamped);
    let r = n.mul_add(splat(-LN2_LOW), r);
    let p = splat(1.0 / 5040.0);
    let p = p.mul_add(r, splat(1.0 / 720.0));
    let p = p.mul_add(r, splat(1.0 / 120.0));
    let p = p.mul_add(r, splat(1.0 / 24.0));
    let p = p.mul_add(r, splat(1.0 / 6.0));
    let p = p.mul_add(r, splat(0.5));
    let p = (p * r).mul_add(r, r + splat(1.0));
    let bits = (n.to_int::<i32x16<S>>() + i32x16::splat(simd, 127)) << 23;
    let power: f32x16<S> = bits.bitcast();
    x.simd_lt(splat(SMALLEST)).select(splat(0.0), p * power)
}

/// `out = exp(x - shift)` for each x.
#[inline(never)]
pub(crate) fn exp_from(x: &[f32], shift: f32, out: &mut [f32]) {
    dispatch!(Level::new(), simd => {
        let shift = f32x16::splat(simd, shift);
        let (x_chunks, x_tail) = x.as_chunks::<LANES>();
        let (out_chunks, out_tail) = out[..x.len()].as_chunks_mut::<LANES>();
        for (x, out) in x_chunks.iter().zip(out_chunks) {
            exp(simd, f32x16::load_array_ref(simd, x) - shift).store_array(out);
        }
        let mut padded = [0.0; LANES];
        padded[..x_tail.len()].copy_from_slice(x_tail);
        let last = exp(simd, f32x16::load_array_ref(simd, &padded) - shift).to_array();
        out_tail.copy_from_slice(&last[..x_tail.len()]);
    })
}

/// Softmax numerators of a tile `[keys, 16 queries]` in place: `tile = exp(tile - shift)`, lane by lane, and
/// the sum of the new rows is returned.
#[inline(never)]
pub(crate) fn exp_tile(tile: &mut [Lanes], shift: &Lanes) -> Lanes {
    dispatch!(Level::new(), simd => {
        let shift = f32x16::load_array_ref(simd, shift);
        let mut sum = f32x16::splat(simd, 0.0);
        for row in tile {
            let value = exp(simd, f32x16::load_array_ref(simd, row) - shift);
            value.store_array(row);
            sum += value;
        }
        sum.to_array()
    })
}

/// The largest of `start` and the rows of a tile, lane by lane.
#[inline(never)]
pub(crate) fn largest(tile: &[Lanes], start: &Lanes) -> Lanes {
    dispatch!(Level::new(), simd => {
        let mut largest = f32x16::load_array_ref(simd, start);
        for row in tile {
            largest = largest.max(f32x16::load_array_ref(simd, row));
        }
        largest.to_array()
    })
}

/// The sum of `exp(x - shift) · (x - shift)` over the rows of a tile, lane by lane; the tile stays as it is.
#[inline(never)]
pub(crate) fn exp_moment(tile: &[Lanes], shift: &Lanes) -> Lanes {
    dispatch!(Level::new(), simd => {
        let shift = f32x16::load_array_ref(simd, shift);
        let mut sum = f32x16::splat(simd, 0.0);
        for row in tile {
            // Where exp gives 0 the factor must be finite for the product to be 0.
            let x = (f32x16::load_array_ref(simd, row) - shift).max(f32x16::splat(simd, 2.0 * SMALLEST));
            sum += exp(simd, x) * x;
        }
        sum.to_array()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(x: f32) -> f64 {
        let mut out = [0.0];
        exp_from(&[x], 0.0, &mut out);
        let want = f64::from(x).exp();
        let ulp = f64::from((want as f32).next_up() - want as f32);
        (f64::from(out[0]) - want).abs() / ulp
    }

    #[test]
    fn exp_is_within_two_ulps_where_softmax_uses_it() {
        let worst = (0..2_000_000).map(|i| SMALLEST * (i as f32 / 2e6)).map(ulps).fold(0.0, f64::max);
        assert!(worst <= 2.0, "{worst} ulps");
    }

    /// All 2³² bit patterns take minutes: `cargo test --release -- --ignored exhaustive`.
    #[test]
    #[ignore = "takes minutes"]
    fn exp_is_within_two_ulps_exhaustive() {
        let worst = (0..=u32::MAX)
            .map(f32::from_bits)
            .filter(|x| (SMALLEST..=LARGEST).contains(x))
            .map(ulps)
            .fold(0.0, f64::max);
        assert!(worst <= 2.0, "{worst} ulps");
    }

    #[test]
    fn exp_of_extremes() {
        let mut out = [1.0; 4];
        exp_from(&[f32::NEG_INFINITY, -1e30, 0.0, -88.0], 0.0, &mut out);
        assert_eq!(out, [0.0, 0.0, 1.0, 0.0]);
    }
}
