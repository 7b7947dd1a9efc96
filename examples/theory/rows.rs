//! Rows as JSON: an array with one object on each line.

use serde::Serialize;
use serde_json::{Value, json};

/// Floats have five significant digits: enough to draw, and the same on machines that round a little differently.
pub fn to_json(rows: &[impl Serialize]) -> serde_json::Result<String> {
    let mut lines = Vec::new();
    for row in rows {
        let mut row = serde_json::to_value(row)?;
        if let Value::Object(fields) = &mut row {
            fields.values_mut().for_each(shorten);
        }
        lines.push(row.to_string());
    }
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

fn shorten(value: &mut Value) {
    if value.is_f64() {
        let short: Option<f64> = value.as_f64().and_then(|x| format!("{x:.4e}").parse().ok());
        *value = json!(short);
    }
}
