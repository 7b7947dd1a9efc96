//! The JavaScript binding: validates, calls the core, hands typed arrays back. The TypeScript package in `pkg/`
//! drives it: a job is stepped for some milliseconds at a time, so that the event loop is never blocked for
//! long and a call can be cancelled.
//!
//! The crate is compiled to three modules, each with one kind of job: `Job` for most calls, small enough for any page;
//! `RobustPcaJob` with the linear algebra that only it needs, and `GpuJob` with WebGPU, each fetched when it is first asked for.

// The reading of some options, and some kinds of arrays and results, are only the main module's.
#[cfg_attr(not(feature = "wasm"), allow(dead_code))]
mod arrays;
#[cfg_attr(not(feature = "wasm"), allow(dead_code))]
mod fields;
#[cfg(feature = "wasm-webgpu")]
mod gpu;
#[cfg(feature = "wasm")]
mod job;
#[cfg(any(feature = "wasm", feature = "wasm-webgpu"))]
mod options;
mod record;
#[cfg(any(feature = "wasm", feature = "wasm-webgpu"))]
#[cfg_attr(not(feature = "wasm"), allow(dead_code))]
mod results;
#[cfg(feature = "wasm-robust-pca")]
mod robust_pca;
mod sizes;
#[cfg(any(feature = "wasm", feature = "wasm-robust-pca"))]
mod work;

use wasm_bindgen::prelude::*;

use crate::error::Error;

/// What goes wrong here becomes a JavaScript `Error` at once: it is one word to carry around, where the core's
/// error is ten.
type Result<T> = std::result::Result<T, JsValue>;

/// Smaller than the standard library's; like it, it grows the memory, reuses what is freed and reports what it
/// cannot get.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Runs once, when the module is instantiated.
#[cfg(debug_assertions)]
#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// The vector instructions this module was compiled with.
#[wasm_bindgen(js_name = instructionSet)]
pub fn instruction_set() -> String {
    crate::instruction_set().into()
}

/// Makes the next call into the module run on a fresh instance with fresh memory. For use after a trap, whose
/// unwinding skips every destructor, and to give memory back, which WebAssembly otherwise never does. Jobs that
/// exist by then are lost.
#[wasm_bindgen]
pub fn restart() {
    wasm_bindgen::handler::schedule_reinit();
}

impl From<Error> for JsValue {
    /// A real `Error`, with the code as a property.
    #[cold]
    fn from(error: Error) -> JsValue {
        record::error(error.code(), &error.to_string())
    }
}
