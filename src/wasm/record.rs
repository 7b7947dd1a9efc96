//! Plain JavaScript objects, made field by field, and errors.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = Object)]
    pub(super) type Record;
    #[wasm_bindgen(constructor, js_class = "Object")]
    pub(super) fn new() -> Record;
    #[wasm_bindgen(method, indexing_setter)]
    pub(super) fn put(this: &Record, name: &str, value: &JsValue);
    #[wasm_bindgen(method, indexing_setter)]
    pub(super) fn put_number(this: &Record, name: &str, value: f64);
    #[wasm_bindgen(method, indexing_setter)]
    pub(super) fn put_text(this: &Record, name: &str, value: &str);

    #[wasm_bindgen(js_name = Error)]
    type JsError;
    #[wasm_bindgen(constructor, js_class = "Error")]
    fn new(message: &str) -> JsError;
    #[wasm_bindgen(method, setter)]
    fn set_code(this: &JsError, code: &str);
}

pub(super) fn error(code: &str, message: &str) -> JsValue {
    let error = JsError::new(message);
    error.set_code(code);
    error.into()
}
