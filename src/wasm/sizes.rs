//! The options that say how much there is.

use super::Result;
use super::fields::{Field, Fields};
use crate::shape::{MAX_DIM, MAX_SIZE, Shape};

pub(super) fn shape(mut fields: Fields) -> Result<Shape> {
    let queries = fields.field("queries")?.whole(1, MAX_SIZE as u64)? as usize;
    let dim = fields.field("dim")?.whole(1, MAX_DIM as u64)? as usize;
    let batch = fields.size("batch", MAX_SIZE)?.unwrap_or(1);
    let heads = fields.size("heads", MAX_SIZE)?.unwrap_or(1);
    let keys = fields.size("keys", MAX_SIZE)?.unwrap_or(queries);
    let value_dim = fields.size("valueDim", MAX_DIM)?.unwrap_or(dim);
    let kv_heads = fields.size("kvHeads", MAX_SIZE)?.unwrap_or(heads);
    fields.done()?;
    Ok(Shape { batch, heads, queries, keys, dim, value_dim, kv_heads })
}

pub(super) fn key_lengths(field: Field) -> Result<Vec<usize>> {
    let items = field.items("an array of whole numbers, one for each sequence of the batch")?;
    items.map(|item| item.whole(0, MAX_SIZE as u64).map(|length| length as usize)).collect()
}
