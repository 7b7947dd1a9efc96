//! What the search for keys needs besides products: to judge clusters, and to find the largest.

use fearless_simd::{Level, Simd, dispatch, f32x16, prelude::*, u32x16};

use super::product::add_row_product;
use super::{LANES, Lanes};

const LABELS: [u32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// For each lane the row in which `tile[row] - offsets[row]` is largest, the first of them; row 0 where all are NaN.
#[inline(never)]
pub(crate) fn largest_row(tile: &[Lanes], offsets: &Lanes) -> [u8; LANES] {
    dispatch!(Level::new(), simd => {
        let mut largest = f32x16::splat(simd, f32::NEG_INFINITY);
        let mut best = f32x16::splat(simd, 0.0);
        for (row, (lanes, &offset)) in tile.iter().zip(offsets).enumerate() {
            let x = f32x16::load_array_ref(simd, lanes) - offset;
            let larger = x.simd_gt(largest);
            largest = larger.select(x, largest);
            best = larger.select(f32x16::splat(simd, row as f32), best);
        }
        best.to_array().map(|row| row as u8)
    })
}

/// The children of a cluster as a query judges them: `offsets + Σ_k query[k] centroids[k]`, and that plus `doubts`, but
/// for its last 4 bits, which are the lane: so the largest also says where it is.
#[inline(never)]
pub(crate) fn judge(query: &[f32], centroids: &[Lanes], offsets: &Lanes, doubts: &Lanes) -> (Lanes, Lanes) {
    dispatch!(Level::new(), simd => {
        let judged = add_row_product(simd, f32x16::load_array_ref(simd, offsets), query, centroids);
        let promises: u32x16<_> = (judged + f32x16::load_array_ref(simd, doubts)).bitcast();
        let labelled = (promises & !15) | u32x16::load_array_ref(simd, &LABELS);
        (judged.to_array(), labelled.bitcast::<f32x16<_>>().to_array())
    })
}

/// The largest of different numbers.
#[inline(never)]
pub(crate) fn largest_lane(lanes: &Lanes) -> f32 {
    dispatch!(Level::new(), simd => largest(simd, f32x16::load_array_ref(simd, lanes)))
}

/// Overwrites what is equal to `old`, and gives the largest that there is then.
#[inline(never)]
pub(crate) fn replace_lane(lanes: &mut Lanes, old: f32, new: f32) -> f32 {
    dispatch!(Level::new(), simd => {
        let all = f32x16::load_array_ref(simd, lanes);
        let all = all.simd_eq(old).select(f32x16::splat(simd, new), all);
        all.store_array(lanes);
        largest(simd, all)
    })
}

#[inline(always)]
fn largest<S: Simd>(_: S, lanes: f32x16<S>) -> f32 {
    let (low, high) = lanes.split();
    let (low, high) = low.simd_gt(high).select(low, high).split();
    let [a, b, c, d] = low.simd_gt(high).select(low, high).to_array();
    let (a, b) = (if a > b { a } else { b }, if c > d { c } else { d });
    if a > b { a } else { b }
}

/// The largest number of a list; -inf of none.
#[inline(never)]
pub(crate) fn largest_of(x: &[f32]) -> f32 {
    dispatch!(Level::new(), simd => {
        let (chunks, tail) = x.as_chunks::<LANES>();
        let mut lanes = f32x16::splat(simd, f32::NEG_INFINITY);
        for chunk in chunks {
            let x = f32x16::load_array_ref(simd, chunk);
            lanes = x.simd_gt(lanes).select(x, lanes);
        }
        tail.iter().fold(largest(simd, lanes), |most, &x| if x > most { x } else { most })
    })
}

/// The sum of a list, in f32 over up to 64 numbers and in f64 over those sums.
#[inline(never)]
pub(crate) fn sum(x: &[f32]) -> f64 {
    dispatch!(Level::new(), simd => {
        let mut total = 0.0;
        for x in x.chunks(64 * LANES) {
            let (chunks, tail) = x.as_chunks::<LANES>();
            let mut lanes = f32x16::splat(simd, 0.0);
            for chunk in chunks {
                lanes += f32x16::load_array_ref(simd, chunk);
            }
            total += lanes.to_array().into_iter().chain(tail.iter().copied()).map(f64::from).sum::<f64>();
        }
        total
    })
}

/// `out += x`.
#[inline(never)]
pub(crate) fn add_row(x: &[f32], out: &mut [f32]) {
    dispatch!(Level::new(), simd => {
        let (x_chunks, x_tail) = x.as_chunks::<LANES>();
        let (out_chunks, out_tail) = out.as_chunks_mut::<LANES>();
        for (x, out) in x_chunks.iter().zip(out_chunks) {
            (f32x16::load_array_ref(simd, x) + f32x16::load_array_ref(simd, out)).store_array(out);
        }
        x_tail.iter().zip(out_tail).for_each(|(x, out)| *out += x);
    })
}
