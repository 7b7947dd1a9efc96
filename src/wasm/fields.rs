//! Reads plain JavaScript objects field by field, so that each error can name the field and the value, and so that
//! a key nobody asked for is an error.
//!
//! serde-wasm-bindgen was tried and rejected. It asks an object only for the fields that the struct has, so
//! `deny_unknown_fields` never gets to see an unknown one; it takes `null` for a field that was left out; and with
//! serde_path_to_error the module grew by 20 kB gzip, a fifth of its size.

use js_sys::{Array, ArrayBuffer, DataView, Int32Array, Reflect, Uint32Array};
use wasm_bindgen::prelude::*;

use super::{Result, arrays};
use crate::error::Error;
use crate::memory::with_capacity;

#[wasm_bindgen]
extern "C" {
    /// JavaScript's own spelling of a number, a bigint or a symbol.
    #[wasm_bindgen(js_name = String)]
    fn text_of(value: &JsValue) -> String;
}

/// An object being read. A value that is `undefined` counts as left out.
///
/// The readers are not inlined: some thirty calls of them would make up a quarter of the module.
pub(super) struct Fields {
    /// Begins the name of each field: empty, or like `shape.`.
    prefix: &'static str,
    object: JsValue,
    known: Vec<&'static str>,
}

impl Fields {
    /// Reads `object`, whose fields have names that begin with `prefix`.
    pub fn new(prefix: &'static str, object: JsValue) -> Fields {
        Fields { prefix, object, known: Vec::new() }
    }

    /// The field `name`, which is known from here on. If it must be there, whatever reads it will say so.
    #[inline(never)]
    pub fn field(&mut self, name: &'static str) -> Result<Field> {
        self.known.push(name);
        let path = format!("{}{name}", self.prefix);
        match Reflect::get(&self.object, &JsValue::from_str(name)) {
            Ok(value) => Ok(Field { name: path, value }),
            Err(_) => Err(Error::option(path, "a property that throws when read", "a value"))?,
        }
    }

    /// As [`field`](Self::field), if it is there.
    #[inline(never)]
    pub fn optional(&mut self, name: &'static str) -> Result<Option<Field>> {
        Ok(Some(self.field(name)?).filter(|field| !field.value.is_undefined()))
    }

    /// A finite number, if there is one.
    #[inline(never)]
    pub fn number(&mut self, name: &'static str) -> Result<Option<f64>> {
        self.optional(name)?.map(|field| field.number()).transpose()
    }

    /// A whole number from 1 to `max`, if there is one.
    #[inline(never)]
    pub fn size(&mut self, name: &'static str, max: usize) -> Result<Option<usize>> {
        let size = self.optional(name)?.map(|field| field.whole(1, max as u64)).transpose()?;
        Ok(size.map(|size| size as usize))
    }

    /// True or false; false if it is not there.
    #[inline(never)]
    pub fn flag(&mut self, name: &'static str) -> Result<bool> {
        let Some(field) = self.optional(name)? else { return Ok(false) };
        field.value.as_bool().ok_or_else(|| field.unexpected("true or false"))
    }

    /// An error if the object has a key that nobody asked for.
    pub fn done(self) -> Result<()> {
        for key in Reflect::own_keys(&self.object).unwrap_or_default().iter() {
            let Some(name) = key.as_string().filter(|name| !self.known.contains(&name.as_str())) else { continue };
            let value = Reflect::get(&self.object, &key).unwrap_or(JsValue::NULL);
            if !value.is_undefined() {
                let path = format!("{}{name}", self.prefix);
                let expected = format!("only these keys: {}", list(&self.known, ", "));
                Err(Error::option(path, describe(&value), expected))?;
            }
        }
        Ok(())
    }
}

/// Smaller than the standard library's `join`.
fn list(words: &[&str], between: &str) -> String {
    let mut list = String::new();
    for (i, word) in words.iter().enumerate() {
        list.push_str(if i > 0 { between } else { "" });
        list.push_str(word);
    }
    list
}

/// A value with its name, as the caller spells it.
pub(super) struct Field {
    name: String,
    value: JsValue,
}

impl Field {
    /// A number, which may be any but NaN and the infinities.
    #[inline(never)]
    pub fn number(&self) -> Result<f64> {
        self.value.as_f64().filter(|x| x.is_finite()).ok_or_else(|| self.unexpected("a finite number"))
    }

    /// A whole number in a range.
    #[inline(never)]
    pub fn whole(&self, min: u64, max: u64) -> Result<u64> {
        let whole = self.value.as_f64().filter(|x| x.fract() == 0.0 && *x >= min as f64 && *x <= max as f64);
        whole.map(|x| x as u64).ok_or_else(|| self.unexpected(&format!("a whole number from {min} to {max}")))
    }

    /// One of some words, by position.
    #[inline(never)]
    pub fn word(&self, words: &[&str]) -> Result<usize> {
        let word = self.value.as_string();
        words
            .iter()
            .position(|&w| Some(w) == word.as_deref())
            .ok_or_else(|| self.unexpected(&format!("one of \"{}\"", list(words, "\", \""))))
    }

    /// An object with fields of its own, whose names begin with `prefix`.
    #[inline(never)]
    pub fn fields(self, prefix: &'static str) -> Result<Fields> {
        if !self.value.is_object() || self.is_list() {
            return Err(self.unexpected("an object"));
        }
        Ok(Fields::new(prefix, self.value))
    }

    /// The elements of an array or typed array.
    #[inline(never)]
    pub fn items(self, expected: &str) -> Result<Items> {
        if !self.is_list() {
            return Err(self.unexpected(expected));
        }
        let length = Reflect::get(&self.value, &"length".into()).ok().and_then(|length| length.as_f64());
        Ok(Items { length: length.unwrap_or(0.0) as usize, field: self, next: 0 })
    }

    /// Indices: typed arrays of 32 bits are copied whole, anything else is read number by number.
    #[inline(never)]
    pub fn indices(self, what: &'static str) -> Result<Vec<u32>> {
        if let Some(array) = self.value.dyn_ref::<Uint32Array>() {
            return arrays::indices(what, array);
        }
        if let Some(array) = self.value.dyn_ref::<Int32Array>() {
            let indices = arrays::signed_indices(what, array)?;
            if let Some((i, index)) = indices.iter().enumerate().find(|(_, index)| **index < 0) {
                Err(Error::option(format!("{}[{i}]", self.name), index, "at least 0"))?;
            }
            return Ok(indices.into_iter().map(|index| index as u32).collect());
        }
        let items = self.items("a Uint32Array, an Int32Array or an array of whole numbers")?;
        let mut indices = with_capacity(what, items.length)?;
        for item in items {
            indices.push(item.whole(0, u32::MAX.into())? as u32);
        }
        Ok(indices)
    }

    /// The error that this value is.
    #[cold]
    fn unexpected(&self, expected: &str) -> JsValue {
        let value = describe(&self.value);
        let error = if self.name == "shape" || self.name.starts_with("shape.") {
            Error::shape(&self.name, value, expected)
        } else {
            Error::option(&self.name, value, expected)
        };
        error.into()
    }

    fn is_list(&self) -> bool {
        let view = ArrayBuffer::is_view(&self.value) && !self.value.is_instance_of::<DataView>();
        view || Array::is_array(&self.value)
    }
}

/// The elements of a list, as fields named like `keyLengths[1]`.
pub(super) struct Items {
    field: Field,
    length: usize,
    next: usize,
}

impl Iterator for Items {
    type Item = Field;

    #[inline(never)]
    fn next(&mut self) -> Option<Field> {
        let index = self.next;
        self.next += 1;
        (index < self.length).then(|| Field {
            name: format!("{}[{index}]", self.field.name),
            value: Reflect::get_u32(&self.field.value, index as u32).unwrap_or(JsValue::UNDEFINED),
        })
    }
}

/// A value as an error message shows it.
fn describe(value: &JsValue) -> String {
    const LONGEST: usize = 40;
    if let Some(text) = value.as_string() {
        let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
        return format!("\"{}{more}\"", text.chars().take(LONGEST).collect::<String>());
    }
    if value.is_null() {
        "null".into()
    } else if Array::is_array(value) {
        "an array".into()
    } else if value.is_function() {
        "a function".into()
    } else if value.is_object() {
        "an object".into()
    } else {
        text_of(value)
    }
}
