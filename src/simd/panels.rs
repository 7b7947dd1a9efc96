//! The storage format of every matrix that takes part in a product.

use std::ops::Range;

use super::{LANES, Lanes, scale_columns};
use crate::error::Result;
use crate::memory;

/// Panels needed for `cols` columns.
pub(crate) fn panel_count(cols: usize) -> usize {
    cols.div_ceil(LANES)
}

/// A matrix `[rows, cols]` as strips of 16 columns; the last strip is padded with zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Panels {
    rows: usize,
    cols: usize,
    data: Vec<Lanes>,
}

impl Panels {
    /// Zeros.
    pub fn zeros(what: &'static str, rows: usize, cols: usize) -> Result<Panels> {
        Panels::filled(what, rows, cols, 0.0)
    }

    /// One value everywhere, the padding of the last panel included.
    pub fn filled(what: &'static str, rows: usize, cols: usize, value: f32) -> Result<Panels> {
        let data = memory::filled(what, rows * panel_count(cols), [value; LANES])?;
        Ok(Panels { rows, cols, data })
    }

    /// From a row-major `[rows, cols]`: panels hold columns of `source`.
    pub fn from_rows(what: &'static str, source: &[f32], rows: usize, cols: usize) -> Result<Panels> {
        let mut panels = Panels::zeros(what, rows, cols)?;
        for (r, row) in source.chunks_exact(cols).take(rows).enumerate() {
            for (p, lanes) in row.chunks(LANES).enumerate() {
                panels.data[p * rows + r][..lanes.len()].copy_from_slice(lanes);
            }
        }
        Ok(panels)
    }

    /// The transpose of a row-major `[cols, rows]`, times `factor`: each row of `source` becomes one column.
    pub fn from_columns(what: &'static str, source: &[f32], cols: usize, rows: usize, factor: f32) -> Result<Panels> {
        let mut panels = Panels::zeros(what, rows, cols)?;
        panels.fill_columns(source, factor);
        Ok(panels)
    }

    /// Adds rows of zeros, up to `rows` of them in all.
    pub fn grow(&mut self, what: &'static str, rows: usize) -> Result<()> {
        let mut grown = Panels::zeros(what, rows, self.cols)?;
        for p in 0..self.count() {
            grown.panel_mut(p)[..self.rows].copy_from_slice(self.panel(p));
        }
        *self = grown;
        Ok(())
    }

    /// Overwrites with the transpose of a row-major `[up to cols, rows]`, times `factor`; columns that
    /// `source` does not reach become zero.
    pub fn fill_columns(&mut self, source: &[f32], factor: f32) {
        let rows = self.rows;
        let given = source.len() / rows;
        for (p, panel) in self.data.chunks_exact_mut(rows).enumerate() {
            for lane in 0..LANES {
                let column = p * LANES + lane;
                if column < given {
                    let values = &source[column * rows..(column + 1) * rows];
                    panel.iter_mut().zip(values).for_each(|(out, &x)| out[lane] = x * factor);
                } else {
                    panel.iter_mut().for_each(|out| out[lane] = 0.0);
                }
            }
        }
    }

    /// Writes `columns` `[cols, up to 16]` as rows `rows`: a transpose.
    pub fn put_columns(&mut self, rows: Range<usize>, columns: &[Lanes]) {
        for (c, column) in columns.iter().enumerate() {
            for (row, &x) in self.panel_mut(c / LANES)[rows.clone()].iter_mut().zip(column) {
                row[c % LANES] = x;
            }
        }
    }

    /// Holds every element within `limit` of zero.
    pub fn clamp(&mut self, limit: f32) {
        scale_columns(&mut self.data, 1.0, limit);
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn count(&self) -> usize {
        panel_count(self.cols)
    }

    /// All rows of panel `p`.
    pub fn panel(&self, p: usize) -> &[Lanes] {
        &self.data[p * self.rows..(p + 1) * self.rows]
    }

    /// All rows of panel `p`.
    pub fn panel_mut(&mut self, p: usize) -> &mut [Lanes] {
        &mut self.data[p * self.rows..(p + 1) * self.rows]
    }

    /// The element at `row`, `col`.
    pub fn at(&self, row: usize, col: usize) -> f32 {
        self.data[col / LANES * self.rows + row][col % LANES]
    }

    /// All panels, one after the other.
    pub fn as_slice(&self) -> &[Lanes] {
        &self.data
    }

    /// Bytes that a matrix of this size takes.
    pub fn bytes(rows: usize, cols: usize) -> u64 {
        (rows * panel_count(cols) * size_of::<Lanes>()) as u64
    }
}
