//! Rows into columns.

use fearless_simd::{Level, dispatch, f32x4, prelude::*};

use super::{LANES, Lanes};

/// Rows, and elements of each, that are transposed at a time.
const SIDE: usize = 4;

/// Copies up to 16 rows of a row-major `[_, out.len()]` into the columns of one panel; lanes without a
/// row become zero.
#[inline(never)]
pub(crate) fn gather_columns(source: &[f32], rows: &[u32], out: &mut [Lanes]) {
    let dim = out.len();
    let quads = rows.as_chunks::<SIDE>().0;
    for (quad, &[a, b, c, d]) in quads.iter().enumerate() {
        transpose(quad, row(source, dim, a), row(source, dim, b), row(source, dim, c), row(source, dim, d), out);
    }
    // What quads leave: their last columns, and whole lanes.
    let done = dim / SIDE * SIDE;
    for lane in 0..LANES {
        let from = if lane < SIDE * quads.len() { done } else { 0 };
        match rows.get(lane) {
            _ if from == dim => {}
            Some(&index) => out.iter_mut().zip(row(source, dim, index)).skip(from).for_each(|(out, &x)| out[lane] = x),
            None => out.iter_mut().for_each(|out| out[lane] = 0.0),
        }
    }
}

#[inline(always)]
fn row(source: &[f32], dim: usize, index: u32) -> &[f32] {
    &source[index as usize * dim..(index as usize + 1) * dim]
}

/// Writes four rows to lanes `4 quad..` of the columns.
#[inline(always)]
fn transpose(quad: usize, a: &[f32], b: &[f32], c: &[f32], d: &[f32], out: &mut [Lanes]) {
    dispatch!(Level::new(), simd => {
        for (n, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
            let a = f32x4::load_array_ref(simd, &a.as_chunks().0[n]);
            let b = f32x4::load_array_ref(simd, &b.as_chunks().0[n]);
            let c = f32x4::load_array_ref(simd, &c.as_chunks().0[n]);
            let d = f32x4::load_array_ref(simd, &d.as_chunks().0[n]);
            let (ac_low, ac_high, bd_low, bd_high) = (a.zip_low(c), a.zip_high(c), b.zip_low(d), b.zip_high(d));
            ac_low.zip_low(bd_low).store_array(&mut out[0].as_chunks_mut().0[quad]);
            ac_low.zip_high(bd_low).store_array(&mut out[1].as_chunks_mut().0[quad]);
            ac_high.zip_low(bd_high).store_array(&mut out[2].as_chunks_mut().0[quad]);
            ac_high.zip_high(bd_high).store_array(&mut out[3].as_chunks_mut().0[quad]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_rows_that_were_named() {
        for dim in 1..20 {
            let source: Vec<f32> = (0..40 * dim).map(|i| i as f32).collect();
            for count in 0..=LANES {
                let rows: Vec<u32> = (0..count as u32).map(|i| i * 7 % 40).collect();
                let mut out = vec![[9.0; LANES]; dim];
                gather_columns(&source, &rows, &mut out);
                for (c, column) in out.iter().enumerate() {
                    for (lane, &x) in column.iter().enumerate() {
                        let want = rows.get(lane).map_or(0.0, |&row| source[row as usize * dim + c]);
                        assert_eq!(x, want, "dim {dim}, {count} rows: [{c}, {lane}]");
                    }
                }
            }
        }
    }
}
