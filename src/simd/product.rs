//! Products of panels, and of single rows with gathered columns.

use fearless_simd::{Level, Simd, dispatch, f32x16, prelude::*};

use super::{LANES, Lanes, Panels};

/// One tile of `C = AᵀB`: `c[m][n] = Σ_k a[k][m] b[k][n]`, summed over k in order.
///
/// `a` and `b` are panels, or equal stretches of panels, of the same number of rows. With `accumulate` the
/// sum starts from the present `c`, else from zero.
#[inline(never)]
pub(crate) fn product(a: &[Lanes], b: &[Lanes], c: &mut [Lanes; LANES], accumulate: bool) {
    dispatch!(Level::new(), simd => product_tile(simd, a, b, c, accumulate));
}

/// Defines `product_tile` with the named rows of C accumulated together. Written out, for the module in the npm
/// package is compiled for size, which leaves even loops of two rounds as loops.
macro_rules! product_tile {
    ($($sum:ident = $row:literal),*) => {
        /// Rows of a C tile that are accumulated together.
        const ROWS: usize = [$($row),*].len();

        #[inline(always)]
        fn product_tile<S: Simd>(simd: S, a: &[Lanes], b: &[Lanes], c: &mut [Lanes; LANES], accumulate: bool) {
            for (block, c) in c.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                $(let mut $sum = f32x16::splat(simd, 0.0);)*
                if accumulate {
                    $($sum = f32x16::load_array_ref(simd, &c[$row]);)*
                }
                for (a, b) in a.iter().zip(b) {
                    let b = f32x16::load_array_ref(simd, b);
                    let a = &a.as_chunks::<ROWS>().0[block];
                    $($sum = f32x16::splat(simd, a[$row]).mul_add(b, $sum);)*
                }
                $($sum.store_array(&mut c[$row]);)*
            }
        }
    };
}

// Two rows of 16 lanes are eight 4-lane accumulators: with the loads of one step that fills, and does not overflow, the
// 16 vector registers that a wasm engine has to allocate from. Native targets have wider ones.
#[cfg(target_arch = "wasm32")]
product_tile!(sum0 = 0, sum1 = 1);
#[cfg(not(target_arch = "wasm32"))]
product_tile!(sum0 = 0, sum1 = 1, sum2 = 2, sum3 = 3);

/// Products of up to 16 columns of `right` with all of `left`, the columns of both being equally long: row-major `[columns of right,
/// columns of left]`.
pub(crate) fn all_products(left: &Panels, right: &[Lanes], out: &mut [f32]) {
    for p in 0..left.count() {
        let mut tile = [[0.0; LANES]; LANES];
        product(left.panel(p), right, &mut tile, false);
        for (row, out) in out.chunks_exact_mut(left.cols()).enumerate() {
            out[p * LANES..].iter_mut().zip(&tile).for_each(|(out, lanes)| *out = lanes[row]);
        }
    }
}

/// The product of one row with one panel: `out[n] = Σ_k row[k] panel[k][n]`, summed over k in order.
#[inline(never)]
pub(crate) fn row_product(row: &[f32], panel: &[Lanes]) -> Lanes {
    dispatch!(Level::new(), simd => add_row_product(simd, f32x16::splat(simd, 0.0), row, panel).to_array())
}

#[inline(always)]
pub(super) fn add_row_product<S: Simd>(simd: S, mut sum: f32x16<S>, row: &[f32], panel: &[Lanes]) -> f32x16<S> {
    for (&x, lanes) in row.iter().zip(panel) {
        sum = f32x16::splat(simd, x).mul_add(f32x16::load_array_ref(simd, lanes), sum);
    }
    sum
}

/// `out[p] += Σ_n weights[n] · (row indices[n] of panel p)`, n in order: a weighted sum of rows.
#[inline(never)]
pub(crate) fn accumulate_rows(panels: &Panels, indices: &[u32], weights: &[f32], out: &mut [Lanes]) {
    dispatch!(Level::new(), simd => {
        // Two panels at a time: the sums of one would wait for each other.
        let mut pairs = out.chunks_exact_mut(2);
        for (pair, out) in pairs.by_ref().enumerate() {
            let (first, second) = (panels.panel(2 * pair), panels.panel(2 * pair + 1));
            let [mut sum0, mut sum1] = [0, 1].map(|half| f32x16::load_array_ref(simd, &out[half]));
            for (&index, &weight) in indices.iter().zip(weights) {
                let weight = f32x16::splat(simd, weight);
                sum0 = weight.mul_add(f32x16::load_array_ref(simd, &first[index as usize]), sum0);
                sum1 = weight.mul_add(f32x16::load_array_ref(simd, &second[index as usize]), sum1);
            }
            sum0.store_array(&mut out[0]);
            sum1.store_array(&mut out[1]);
        }
        if let [out] = pairs.into_remainder() {
            let panel = panels.panel(panels.count() - 1);
            let mut sum = f32x16::load_array_ref(simd, out);
            for (&index, &weight) in indices.iter().zip(weights) {
                let row = f32x16::load_array_ref(simd, &panel[index as usize]);
                sum = f32x16::splat(simd, weight).mul_add(row, sum);
            }
            sum.store_array(out);
        }
    })
}

/// `out[n] = left · (row indices[n] of the matrix)`: inner products of one padded row with chosen rows.
#[inline(never)]
pub(crate) fn pair_products(left: &[Lanes], panels: &Panels, indices: &[u32], out: &mut [f32]) {
    let rows = panels.rows();
    dispatch!(Level::new(), simd => {
        for (&index, out) in indices.iter().zip(out) {
            let column = panels.as_slice()[index as usize..].iter().step_by(rows);
            let mut sum = f32x16::splat(simd, 0.0);
            for (left, row) in left.iter().zip(column) {
                sum = f32x16::load_array_ref(simd, left).mul_add(f32x16::load_array_ref(simd, row), sum);
            }
            *out = sum.reduce_sum();
        }
    })
}
