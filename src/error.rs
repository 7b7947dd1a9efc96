//! The one error type. Each variant has a stable [`code`](Error::code) that crosses into JavaScript
//! as `error.code`, and a message that names the argument, its value and what was expected.

use std::fmt::Display;

/// Why a call could not be carried out. Nothing was computed and no state was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A size, or a length that does not follow from the sizes.
    #[error("Unexpected {name}: {value}, expected {expected}")]
    InvalidShape {
        /// The argument, as the caller spells it.
        name: String,
        /// What it was.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// An option out of range, unknown, or in conflict with another one.
    #[error("Unexpected {name}: {value}, expected {expected}")]
    InvalidOption {
        /// The option, as the caller spells it.
        name: String,
        /// What it was.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// NaN or an infinity in the input.
    #[error("Unexpected {name}[{index}]: {}, expected a finite number", non_finite(*value))]
    NonFinite {
        /// The tensor, `q`, `k` or `v`, or `matrix`.
        name: &'static str,
        /// Position in the flat array.
        index: usize,
        /// The value found there.
        value: f32,
    },
    /// The allocator, or the limit on scratch memory, said no.
    #[error("{what} needs {bytes} bytes, which this machine or its limit does not allow")]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much was asked for.
        bytes: u64,
    },
    /// A combination that makes no sense or would break a promise (a causal row that sees the future).
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// The combination.
        what: String,
        /// The reason, and what to use instead.
        why: String,
    },
    /// No GPU can be used.
    #[cfg(feature = "webgpu")]
    #[error("There is no WebGPU device to use: {why}")]
    NoDevice {
        /// What was asked for, and what came back.
        why: String,
    },
    /// The GPU went away, now or before.
    #[cfg(feature = "webgpu")]
    #[error("The WebGPU device was lost: {why}")]
    DeviceLost {
        /// As the system says it.
        why: String,
    },
    /// The GPU refused what it was asked to do.
    #[cfg(feature = "webgpu")]
    #[error("The WebGPU device failed: {why}")]
    DeviceFailed {
        /// As the system says it.
        why: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable name for programs: `InvalidShape`, `InvalidOption`, `NonFinite`, `OutOfMemory` or
    /// `Unsupported`; with the feature `webgpu` also `NoDevice`, `DeviceLost` or `DeviceFailed`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidShape { .. } => "InvalidShape",
            Error::InvalidOption { .. } => "InvalidOption",
            Error::NonFinite { .. } => "NonFinite",
            Error::OutOfMemory { .. } => "OutOfMemory",
            Error::Unsupported { .. } => "Unsupported",
            #[cfg(feature = "webgpu")]
            Error::NoDevice { .. } => "NoDevice",
            #[cfg(feature = "webgpu")]
            Error::DeviceLost { .. } => "DeviceLost",
            #[cfg(feature = "webgpu")]
            Error::DeviceFailed { .. } => "DeviceFailed",
        }
    }

    pub(crate) fn shape(name: impl Display, value: impl Display, expected: impl Display) -> Self {
        let [name, value, expected] = texts([&name, &value, &expected]);
        Error::InvalidShape { name, value, expected }
    }

    pub(crate) fn option(name: impl Display, value: impl Display, expected: impl Display) -> Self {
        let [name, value, expected] = texts([&name, &value, &expected]);
        Error::InvalidOption { name, value, expected }
    }

    pub(crate) fn unsupported(what: impl Display, why: impl Display) -> Self {
        let [what, why, _] = texts([&what, &why, &""]);
        Error::Unsupported { what, why }
    }

    #[cfg(feature = "webgpu")]
    pub(crate) fn no_device(what: &str, why: impl Display) -> Self {
        Error::NoDevice { why: format!("{what}: {why}") }
    }
}

/// One copy for all types: errors are made in many places, and seldom.
#[cold]
#[inline(never)]
fn texts(values: [&dyn Display; 3]) -> [String; 3] {
    values.map(|value| value.to_string())
}

fn non_finite(value: f32) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}

/// A number for a message. In the npm package JavaScript writes it: Rust's own float formatting would be a
/// tenth of the module's size.
pub(crate) fn number(x: f64) -> String {
    #[cfg(all(feature = "binding", target_arch = "wasm32"))]
    return js_sys::Number::from(x).to_string_with_radix(10).map(String::from).unwrap_or_default();
    #[cfg(not(all(feature = "binding", target_arch = "wasm32")))]
    x.to_string()
}
