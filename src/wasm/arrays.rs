//! Typed arrays in and out. Everything is copied: a view into WebAssembly memory would be detached when that
//! memory grows, and memory that cannot be had is an error on both sides, never an abort.

use js_sys::{Float32Array, Int32Array, Uint32Array};
use wasm_bindgen::prelude::*;

use super::Result;
use crate::error::Error;
use crate::memory::{filled, with_capacity};

#[wasm_bindgen]
extern "C" {
    // js-sys has these constructors without `catch`: no memory would leave Rust frames behind.
    #[wasm_bindgen(js_name = Float32Array)]
    type Floats;
    #[wasm_bindgen(constructor, js_class = "Float32Array", catch)]
    fn new(length: usize) -> Result<Floats>;
    #[wasm_bindgen(method)]
    fn set(this: &Floats, source: &[f32]);

    #[wasm_bindgen(js_name = Float64Array)]
    type Doubles;
    #[wasm_bindgen(constructor, js_class = "Float64Array", catch)]
    fn new(length: usize) -> Result<Doubles>;
    #[wasm_bindgen(method)]
    fn set(this: &Doubles, source: &[f64]);

    #[wasm_bindgen(js_name = Uint8Array)]
    type Bytes;
    #[wasm_bindgen(constructor, js_class = "Uint8Array", catch)]
    fn new(length: usize) -> Result<Bytes>;
    #[wasm_bindgen(method)]
    fn set(this: &Bytes, source: &[u8]);
}

pub(super) fn floats(name: &'static str, array: &Float32Array) -> Result<Vec<f32>> {
    // `to_vec` writes everything once, but aborts where there is no memory. What could be had just before can be had again:
    // nothing else runs.
    drop(with_capacity::<f32>(name, array.length() as usize)?);
    Ok(array.to_vec())
}

pub(super) fn indices(name: &'static str, array: &Uint32Array) -> Result<Vec<u32>> {
    let mut copy = filled(name, array.length() as usize, 0)?;
    array.copy_to(&mut copy);
    Ok(copy)
}

pub(super) fn signed_indices(name: &'static str, array: &Int32Array) -> Result<Vec<i32>> {
    let mut copy = filled(name, array.length() as usize, 0)?;
    array.copy_to(&mut copy);
    Ok(copy)
}

/// Hands `data` over to a new array of JavaScript's, and frees it here.
pub(super) fn to_floats(what: &'static str, data: Vec<f32>) -> Result<JsValue> {
    let array = Floats::new(data.len()).map_err(|_| no_memory(what, &data))?;
    array.set(&data);
    Ok(array.into())
}

/// As [`to_floats`].
pub(super) fn to_doubles(what: &'static str, data: Vec<f64>) -> Result<JsValue> {
    let array = Doubles::new(data.len()).map_err(|_| no_memory(what, &data))?;
    array.set(&data);
    Ok(array.into())
}

/// As [`to_floats`].
pub(super) fn to_bytes(what: &'static str, data: Vec<u8>) -> Result<JsValue> {
    let array = Bytes::new(data.len()).map_err(|_| no_memory(what, &data))?;
    array.set(&data);
    Ok(array.into())
}

fn no_memory<T>(what: &'static str, data: &[T]) -> Error {
    Error::OutOfMemory { what, bytes: size_of_val(data) as u64 }
}
