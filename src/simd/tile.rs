//! What is done to a tile before and after its product.

use fearless_simd::{Level, Simd, dispatch, f32x4, f32x16, prelude::*, u32x4};

use super::exp::larger;
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

/// `x` held within `limit` of zero.
#[inline(always)]
fn within<S: Simd>(x: f32x16<S>, limit: f32x16<S>) -> f32x16<S> {
    -larger(-larger(x, -limit), -limit)
}

/// `tile[m] *= factors[m]`, held within the range of finite numbers.
#[inline(never)]
pub(crate) fn scale_rows(tile: &mut [Lanes; LANES], factors: &Lanes) {
    dispatch!(Level::new(), simd => {
        let limit = f32x16::splat(simd, f32::MAX);
        for (row, &factor) in tile.iter_mut().zip(factors) {
            within(f32x16::load_array_ref(simd, row) * f32x16::splat(simd, factor), limit).store_array(row);
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
            let scaled = within(f32x16::load_array_ref(simd, column) * factor, limit);
            scaled.store_array(column);
            sum = scaled.mul_add(scaled, sum);
        }
        (sum * f32x16::splat(simd, 0.5)).to_array()
    })
}

/// Masks the pairs of a tile `[keys, 16 queries]` that share a group: their logit becomes -inf and their entry 0. Returns how many
/// of each query's were not masked before.
#[inline(never)]
pub(crate) fn mask_equal(logits: &mut [Lanes], entries: &mut [Lanes], keys: &[u32], queries: &[u32; LANES]) -> Lanes {
    let mut counts = [0.0; LANES];
    dispatch!(Level::new(), simd => {
        let (zero, one) = (f32x4::splat(simd, 0.0), f32x4::splat(simd, 1.0));
        let nothing = f32x4::splat(simd, f32::NEG_INFINITY);
        for (group, counts) in counts.as_chunks_mut().0.iter_mut().enumerate() {
            let queries = u32x4::load_array_ref(simd, &queries.as_chunks().0[group]);
            let mut count = zero;
            for ((row, entry), &key) in logits.iter_mut().zip(&mut *entries).zip(keys) {
                let (row, entry) = (&mut row.as_chunks_mut().0[group], &mut entry.as_chunks_mut().0[group]);
                let logit = f32x4::load_array_ref(simd, row);
                let equal = queries.simd_eq(u32x4::splat(simd, key));
                count += equal.select(logit.simd_gt(nothing).select(one, zero), zero);
                equal.select(nothing, logit).store_array(row);
                equal.select(zero, f32x4::load_array_ref(simd, entry)).store_array(entry);
            }
            count.store_array(counts);
        }
    });
    counts
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
    let (chunks, rest) = x.as_chunks();
    dispatch!(Level::new(), simd => {
        // 0 times a finite number is 0, and times any other NaN, which sums keep.
        let zero = f32x4::splat(simd, 0.0);
        let mut sum = zero;
        for chunk in chunks {
            sum = f32x4::load_array_ref(simd, chunk).mul_add(zero, sum);
        }
        sum.to_array() == [0.0; 4] && rest.iter().all(|x| x.is_finite())
    })
}
