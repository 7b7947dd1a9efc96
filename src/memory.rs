//! Allocation that can fail. A browser tab has little memory and a failed allocation must be an error of
//! the call, not an abort of the instance.

use crate::error::{Error, Result};

/// `len` copies of `value`, or [`Error::OutOfMemory`].
pub(crate) fn filled<T: Clone>(what: &'static str, len: usize, value: T) -> Result<Vec<T>> {
    let mut vec = with_capacity(what, len)?;
    vec.resize(len, value);
    Ok(vec)
}

/// `len` times 0, or [`Error::OutOfMemory`].
pub(crate) fn zeros(what: &'static str, len: usize) -> Result<Vec<f32>> {
    let mut vec = with_capacity(what, len)?;
    // Copies of copies: whole blocks of memory, where one element after the other takes a turn of a loop each.
    vec.resize(len.min(64), 0.0);
    while vec.len() < len {
        vec.extend_from_within(..vec.len().min(len - vec.len()));
    }
    Ok(vec)
}

/// An empty vector with room for `len`, or [`Error::OutOfMemory`].
pub(crate) fn with_capacity<T>(what: &'static str, len: usize) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    let bytes = len as u64 * size_of::<T>() as u64;
    vec.try_reserve_exact(len).map_err(|_| Error::OutOfMemory { what, bytes })?;
    Ok(vec)
}
