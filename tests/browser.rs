//! The same table of cases in a browser, where the WebAssembly build runs.

#![cfg(target_arch = "wasm32")]

mod harness;
mod oracle;

use harness::cases::{self, Case};
use harness::check::{self, Tally};
use harness::clusters;
use harness::data::{Inputs, single};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

// In a worker, for the page must answer: the driver gives it 30 s, and the tests take longer where there is no SIMD.
wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn outputs(cases: impl Iterator<Item = Case>) -> Tally {
    check::all(cases, |case| case.name.clone(), |case| check::outputs(&case.inputs, &case.options))
}

#[wasm_bindgen_test]
fn the_module_uses_the_instructions_it_was_compiled_for() {
    // A lost target feature must not go unnoticed.
    let compiled = if cfg!(target_feature = "relaxed-simd") {
        "relaxed-simd"
    } else if cfg!(target_feature = "simd128") {
        "simd128"
    } else {
        "scalar"
    };
    assert_eq!(scatterbrain::instruction_set(), compiled);
}

#[wasm_bindgen_test]
fn outputs_equal_the_reference_at_every_size() {
    outputs(cases::sizes(false));
}

#[wasm_bindgen_test]
fn causal_outputs_equal_the_reference_at_every_size() {
    outputs(cases::sizes(true));
}

#[wasm_bindgen_test]
fn outputs_equal_the_reference_with_several_heads_and_masks() {
    outputs(cases::batches().into_iter());
}

#[wasm_bindgen_test]
fn outputs_equal_the_reference_from_flat_to_sharp() {
    outputs(cases::temperatures().into_iter());
}

#[wasm_bindgen_test]
fn outputs_equal_the_reference_with_explicit_supports() {
    outputs(cases::explicit_supports().into_iter());
}

#[wasm_bindgen_test]
fn decompositions_equal_the_reference() {
    let inputs = Inputs::normal(single(21, 35, 9, 4), 1.0, 1);
    for causal in [false, true] {
        let all = cases::estimators(35, 20, causal).into_iter().map(|options| cases::clear(&inputs, options));
        check::all(all, |options| format!("{options:?}"), |options| check::decomposition(&inputs, options));
    }
}

#[wasm_bindgen_test]
fn clusters_are_exact_with_a_full_budget_and_their_rows_hold() {
    use scatterbrain::{Features, Options};
    for n in cases::SIZES {
        let inputs = Inputs::normal(single(70, n, 5, 7), 1.0, n as u64);
        for causal in [false, true] {
            for temperature in [1e-3, 1.0, 1e3] {
                let options = Options { temperature, causal, ..Options::default() };
                clusters::full_budget(&inputs, &options).unwrap_or_else(|e| panic!("{n} keys {options:?}: {e}"));
            }
            let landmarks = |options: &Options| matches!(options.features, Some(Features::Landmarks { .. }));
            for options in cases::clustered(n, causal).into_iter().filter(landmarks) {
                clusters::rows(&inputs, &options).unwrap_or_else(|e| panic!("{n} keys {options:?}: {e}"));
            }
        }
    }
}

#[wasm_bindgen_test]
fn the_same_seed_gives_the_same_bits() {
    let inputs = Inputs::normal(single(40, 60, 8, 4), 1.0, 9);
    for causal in [false, true] {
        for options in cases::estimators(60, 12, causal) {
            let run = || scatterbrain::attention(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            assert_eq!(run(), run(), "{options:?}");
        }
    }
}

/// Memory that a tab cannot have is an error, and the module goes on working.
#[wasm_bindgen_test]
fn memory_that_cannot_be_had_is_an_error() {
    let data = vec![0.5f32; 1 << 15];
    let long = scatterbrain::TensorView::head(&data, 1 << 15, 1);
    let options = scatterbrain::Options { method: scatterbrain::Method::Exact, ..Default::default() };
    // Four matrices of 2^15 x 2^15 entries are 16 GiB.
    let error = scatterbrain::analysis::decompose(long, long, long, &options).unwrap_err();
    assert_eq!(error.code(), "OutOfMemory", "{error}");
    let inputs = Inputs::normal(single(9, 11, 4, 3), 1.0, 6);
    check::decomposition(&inputs, &options).unwrap();
}
