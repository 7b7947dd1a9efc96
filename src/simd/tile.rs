//! What is done to a tile before and after its product.

use fearless_simd::{Level, dispatch, f32x16, prelude::*, u32x16};

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

/// `x *= factor`, held within the range of finite numbers.
#[inline(never)]
pub(crate) fn scale(x: &mut [f32], factor: f32) {
    let (chunks, rest) = x.as_chunks_mut::<LANES>();
    dispatch!(Level::new(), simd => {
        let limit = f32x16::splat(simd, f32::MAX);
        for chunk in chunks {
            let scaled = f32x16::load_array_ref(simd, chunk) * f32x16::splat(simd, factor);
            scaled.min(limit).max(-limit).store_array(chunk);
        }
    });
    rest.iter_mut().for_each(|x| *x = (*x * factor).clamp(-f32::MAX, f32::MAX));
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

/// Logits `[keys, 16 queries]` of pairs that share a group become -inf.
#[inline(never)]
pub(crate) fn mask_equal(logits: &mut [Lanes], keys: &[u32], queries: &[u32; LANES]) {
    dispatch!(Level::new(), simd => {
        let nothing = f32x16::splat(simd, f32::NEG_INFINITY);
        let queries = u32x16::load_array_ref(simd, queries);
        for (row, &key) in logits.iter_mut().zip(keys) {
            let equal = queries.simd_eq(u32x16::splat(simd, key));
            equal.select(nothing, f32x16::load_array_ref(simd, row)).store_array(row);
        }
    })
}

/// Sets the entries of masked pairs to 0, those whose logit is -inf; returns how many of each query's are left.
#[inline(never)]
pub(crate) fn drop_masked(logits: &[Lanes], entries: &mut [Lanes]) -> Lanes {
    dispatch!(Level::new(), simd => {
        let (zero, one) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 1.0));
        let nothing = f32x16::splat(simd, f32::NEG_INFINITY);
        let mut count = zero;
        for (logit, entry) in logits.iter().zip(entries) {
            let kept = f32x16::load_array_ref(simd, logit).simd_gt(nothing);
            kept.select(f32x16::load_array_ref(simd, entry), zero).store_array(entry);
            count += kept.select(one, zero);
        }
        count.to_array()
    })
}

/// `weights -= factor · entries` for tiles `[keys, 16 queries]`; returns the sum of the entries.
#[inline(never)]
pub(crate) fn subtract_entries(weights: &mut [Lanes], entries: &[Lanes], factor: &Lanes) -> Lanes {
    dispatch!(Level::new(), simd => {
        let factor = -f32x16::load_array_ref(simd, factor);
        let mut sum = f32x16::splat(simd, 0.0);
        for (weight, entry) in weights.iter_mut().zip(entries) {
            let entry = f32x16::load_array_ref(simd, entry);
            factor.mul_add(entry, f32x16::load_array_ref(simd, weight)).store_array(weight);
            sum += entry;
        }
        sum.to_array()
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
