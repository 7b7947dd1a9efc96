//! From one JavaScript object to [`Shape`] and [`Options`]. Only what JavaScript can get wrong is checked here:
//! types, whole numbers, unknown keys. Ranges and combinations are the plan's to judge.

use wasm_bindgen::JsValue;

use super::Result;
use super::fields::{Field, Fields};
use super::sizes::{key_lengths, shape};
use crate::options::{Features, Method, Options, Support};
use crate::plan::{MAX_FEATURES, MAX_ROUNDS};
use crate::shape::{MAX_SIZE, Shape};

/// The largest whole number that JavaScript keeps exactly.
const MAX_SEED: u64 = (1 << 53) - 1;

const METHODS: [Method; 6] =
    [Method::Auto, Method::Exact, Method::Sparse, Method::LowRank, Method::Scatterbrain, Method::Vitality];

/// What a sweep runs over.
pub(super) struct Axes {
    pub temperatures: Vec<f64>,
    pub methods: Vec<Method>,
}

/// The options of `attention` and `decompose`.
pub(super) fn call(value: &JsValue) -> Result<(Shape, Options)> {
    let mut fields = Fields::new("", value.clone());
    let (shape, mut options) = common(&mut fields)?;
    if let Some(field) = fields.optional("method")? {
        options.method = method(&field)?;
    }
    if let Some(temperature) = fields.number("temperature")? {
        options.temperature = temperature;
    }
    fields.done()?;
    Ok((shape, options))
}

/// The options of `sweep`.
pub(super) fn sweep(value: &JsValue) -> Result<(Shape, Options, Axes)> {
    let mut fields = Fields::new("", value.clone());
    let (shape, options) = common(&mut fields)?;
    let temperatures = fields.field("temperatures")?.items("an array of positive numbers")?;
    let temperatures = temperatures.map(|item| item.number()).collect::<Result<_>>()?;
    let methods = fields.field("methods")?.items("an array of methods")?;
    let methods = methods.map(|item| method(&item)).collect::<Result<_>>()?;
    fields.done()?;
    Ok((shape, options, Axes { temperatures, methods }))
}

fn common(fields: &mut Fields) -> Result<(Shape, Options)> {
    let shape = shape(fields.field("shape")?.fields("shape.")?)?;
    let options = Options {
        budget: fields.number("budget")?,
        split: fields.number("split")?,
        scale: fields.number("scale")?,
        support: fields.optional("support")?.map(support).transpose()?,
        features: fields.optional("features")?.map(features).transpose()?,
        causal: fields.flag("causal")?,
        key_lengths: fields.optional("keyLengths")?.map(key_lengths).transpose()?,
        seed: fields.optional("seed")?.map_or(Ok(0), |field| field.whole(0, MAX_SEED))?,
        ..Options::default()
    };
    Ok((shape, options))
}

fn method(field: &Field) -> Result<Method> {
    let names = METHODS.map(|method| method.to_string());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(METHODS[field.word(&names)?])
}

fn support(field: Field) -> Result<Support> {
    let mut fields = field.fields("support.")?;
    let kinds = ["clusters", "window", "top-k", "lsh", "smyrf", "explicit"];
    let support = match kinds[fields.field("kind")?.word(&kinds)?] {
        "clusters" => Support::Clusters { count: fields.size("count", MAX_SIZE)? },
        "window" => Support::Window { size: fields.size("size", MAX_SIZE)? },
        "top-k" => Support::TopK { count: fields.size("count", MAX_SIZE)? },
        "lsh" => {
            let rounds = fields.size("rounds", MAX_ROUNDS)?;
            Support::Lsh { rounds, chunk: fields.size("chunk", MAX_SIZE)? }
        }
        "smyrf" => {
            let rounds = fields.size("rounds", MAX_ROUNDS)?;
            Support::Smyrf { cluster: fields.size("cluster", MAX_SIZE)?, rounds }
        }
        _ => Support::Explicit {
            indptr: fields.field("indptr")?.indices("support.indptr")?,
            indices: fields.field("indices")?.indices("support.indices")?,
        },
    };
    fields.done()?;
    Ok(support)
}

fn features(field: Field) -> Result<Features> {
    let mut fields = field.fields("features.")?;
    let kinds = ["landmarks", "favor", "optimal", "elu", "taylor"];
    let features = match kinds[fields.field("kind")?.word(&kinds)?] {
        "landmarks" => Features::Landmarks { count: fields.size("count", MAX_SIZE)? },
        "favor" => Features::Favor {
            count: fields.size("count", MAX_FEATURES)?,
            hyperbolic: fields.flag("hyperbolic")?,
            center: fields.flag("center")?,
            balance: fields.flag("balance")?,
        },
        "optimal" => Features::Optimal {
            count: fields.size("count", MAX_FEATURES)?,
            center: fields.flag("center")?,
            balance: fields.flag("balance")?,
            spread: fields.number("spread")?,
        },
        "elu" => Features::Elu,
        _ => Features::Taylor { order: fields.size("order", 2)?.unwrap_or(1) },
    };
    fields.done()?;
    Ok(features)
}
