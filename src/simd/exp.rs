//! The exponential.
//!
//! `exp(x) = 2ⁿ · exp(r)` with `n = round(x / ln 2)` and `|r| <= ln 2 / 2`; `exp(r)` by the polynomial of degree 6 that
//! has 1 + r in common with it and is elsewhere off by at most 3·10⁻⁹, a twentieth of an f32 ulp. (That of degree 5 is off
//! by 10⁻⁷, and the result by up to 2.3 ulp.) Softmax only asks for `x <= 0` up to rounding.
//!
//! Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits. Adding 127 more makes these bits the exponent of
//! 2ⁿ once they are shifted into its place: nothing is converted. Arguments below `ln(2⁻¹²⁶)`, of which other bits come,
//! give exactly 0, by a mask.

use fearless_simd::{Level, Simd, dispatch, f32x16, prelude::*};

// V8 allocates from 16 vector registers of four lanes: the constants and variables of one exp fit, and one at a time
// keeps the module small.
#[cfg(target_arch = "wasm32")]
use fearless_simd::f32x4 as Vector;
#[cfg(not(target_arch = "wasm32"))]
use fearless_simd::f32x16 as Vector;

use super::{LANES, Lanes};

#[cfg(target_arch = "wasm32")]
const WIDTH: usize = 4;
#[cfg(not(target_arch = "wasm32"))]
const WIDTH: usize = LANES;

/// Below this the result would be subnormal.
const SMALLEST: f32 = -87.33654;

/// Rounds to an integer, see above.
const ROUND: f32 = (3 << 22) as f32 + 127.0;

/// ln 2 in two parts: the first has 9 significant bits, so that n times it is exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `exp(x)` for x up to 88.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: Vector<S>) -> Vector<S> {
    let splat = |value| Vector::splat(simd, value);
    let rounded = x.mul_add(splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = rounded - splat(ROUND);
    let r = n.mul_add(splat(-LN2_HIGH), x);
    let r = n.mul_add(splat(-LN2_LOW), r);
    let p = splat(1.381_458_4e-3);
    let p = p.mul_add(r, splat(8.368_724e-3));
    let p = p.mul_add(r, splat(4.166_839e-2));
    let p = p.mul_add(r, splat(0.166_665_21));
    let p = p.mul_add(r, splat(0.499_999_93));
    let p = p.mul_add(r, splat(1.0));
    let p = p.mul_add(r, splat(1.0));
    let result = p * Vector::from_bits(rounded.to_bits() << 23);
    let normal: <Vector<S> as SimdFloat<S>>::Bits = x.simd_ge(splat(SMALLEST)).to_vector().bitcast();
    Vector::from_bits(result.to_bits() & normal)
}

/// The lanes of `row` that make up vector `group`.
#[inline(always)]
fn load<S: Simd>(simd: S, row: &Lanes, group: usize) -> Vector<S> {
    Vector::load_array_ref(simd, &row.as_chunks::<WIDTH>().0[group])
}

#[inline(always)]
fn store<S: Simd>(vector: Vector<S>, row: &mut Lanes, group: usize) {
    vector.store_array(&mut row.as_chunks_mut::<WIDTH>().0[group]);
}

/// `out = exp(x - shift)` for each x; none may exceed `shift` by more than 88.
#[inline(never)]
pub(crate) fn exp_from(x: &[f32], shift: f32, out: &mut [f32]) {
    debug_assert!(x.iter().all(|x| x - shift <= 88.0));
    dispatch!(Level::new(), simd => {
        let shift = Vector::splat(simd, shift);
        let (x_chunks, x_tail) = x.as_chunks::<WIDTH>();
        let (out_chunks, out_tail) = out[..x.len()].as_chunks_mut::<WIDTH>();
        for (x, out) in x_chunks.iter().zip(out_chunks) {
            exp(simd, Vector::load_array_ref(simd, x) - shift).store_array(out);
        }
        let mut padded = [0.0; WIDTH];
        padded[..x_tail.len()].copy_from_slice(x_tail);
        let last = exp(simd, Vector::load_array_ref(simd, &padded) - shift).to_array();
        out_tail.copy_from_slice(&last[..x_tail.len()]);
    })
}

/// Softmax numerators of a tile `[keys, 16 queries]` in place: `tile = exp(tile - shift)`, lane by lane, and
/// the sum of the new rows is returned. No row may exceed `shift` by more than 88.
#[inline(never)]
pub(crate) fn exp_tile(tile: &mut [Lanes], shift: &Lanes) -> Lanes {
    debug_assert!(tile.iter().all(|row| row.iter().zip(shift).all(|(x, shift)| x - shift <= 88.0)));
    dispatch!(Level::new(), simd => {
        let mut sums = [0.0; LANES];
        for group in 0..LANES / WIDTH {
            let shift = load(simd, shift, group);
            let mut sum = Vector::splat(simd, 0.0);
            for row in tile.iter_mut() {
                let value = exp(simd, load(simd, row, group) - shift);
                store(value, row, group);
                sum += value;
            }
            store(sum, &mut sums, group);
        }
        sums
    })
}

/// The larger of two numbers, lane by lane.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
pub(super) fn larger<S: Simd>(a: f32x16<S>, b: f32x16<S>) -> f32x16<S> {
    a.max(b)
}

/// The larger of two numbers, lane by lane: one instruction, where V8 makes several of `f32x4.max`, which has to pass NaN
/// on. The pass took 5 % of exact attention with
/// `f32x4.max`, and takes 1 %.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline(always)]
pub(super) fn larger<S: Simd>(a: f32x16<S>, b: f32x16<S>) -> f32x16<S> {
    use core::arch::wasm32::f32x4_pmax;
    use fearless_simd::{f32x4, f32x8};

    let simd = a.simd;
    let quarter = |a: f32x4<S>, b: f32x4<S>| -> f32x4<S> { f32x4_pmax(a.into(), b.into()).simd_into(simd) };
    let half = |a: f32x8<S>, b: f32x8<S>| {
        let ((a0, a1), (b0, b1)) = (a.split(), b.split());
        quarter(a0, b0).combine(quarter(a1, b1))
    };
    let ((a0, a1), (b0, b1)) = (a.split(), b.split());
    half(a0, b0).combine(half(a1, b1))
}

/// The largest of `start` and the rows of a tile, lane by lane.
#[inline(never)]
pub(crate) fn largest(tile: &[Lanes], start: &Lanes) -> Lanes {
    dispatch!(Level::new(), simd => {
        let mut largest = f32x16::load_array_ref(simd, start);
        for row in tile {
            largest = larger(largest, f32x16::load_array_ref(simd, row));
        }
        largest.to_array()
    })
}

/// The sum of `exp(x - shift) · (x - shift)` over the rows of a tile, lane by lane; the tile stays as it is.
#[inline(never)]
pub(crate) fn exp_moment(tile: &[Lanes], shift: &Lanes) -> Lanes {
    dispatch!(Level::new(), simd => {
        let mut sums = [0.0; LANES];
        for group in 0..LANES / WIDTH {
            let shift = load(simd, shift, group);
            let mut sum = Vector::splat(simd, 0.0);
            for row in tile {
                // Where exp gives 0 the factor must be finite for the product to be 0.
                let x = (load(simd, row, group) - shift).max(Vector::splat(simd, 2.0 * SMALLEST));
                sum += exp(simd, x) * x;
            }
            store(sum, &mut sums, group);
        }
        sums
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
        let worst =
            (0..=u32::MAX).map(f32::from_bits).filter(|x| (SMALLEST..=88.0).contains(x)).map(ulps).fold(0.0, f64::max);
        println!("{worst} ulps");
        assert!(worst <= 2.0, "{worst} ulps");
    }

    #[test]
    fn exp_of_extremes() {
        let mut out = [1.0; 4];
        exp_from(&[f32::NEG_INFINITY, -1e30, 0.0, -88.0], 0.0, &mut out);
        assert_eq!(out, [0.0, 0.0, 1.0, 0.0]);
    }
}
