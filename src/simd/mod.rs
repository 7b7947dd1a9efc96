//! The f32 vector layer. Everything that loops over numbers for long is here, written once over
//! [`fearless_simd`]'s portable vectors and compiled for SSE2 to AVX-512, NEON, wasm SIMD128 (relaxed where
//! the target has it) and plain scalar code.
//!
//! # One layout, one product
//!
//! A matrix `[rows, cols]` is stored as [`Panels`]: vertical strips of 16 columns, each strip a run of `rows`
//! arrays `[f32; 16]`. Every dense product of the crate then has the form `C = AᵀB` with A and B sharing their
//! rows, one 16 x 16 tile of C at a time ([`product`]):
//!
//! | what | shared rows | A | B | C |
//! |---|---|---|---|---|
//! | logits, transposed | dim | keys | queries | `[keys, queries]` |
//! | weights times values | keys | weights, from above | values | `[queries, value dim]` |
//! | features of queries | dim | directions | queries | `[features, queries]` |
//! | features of keys | dim | keys | directions | `[keys, features]` |
//! | state of the low-rank part | keys | key features | values | `[features, value dim]` |
//! | reading that state | features | query features | state | `[queries, value dim]` |
//!
//! so the result of one product is an operand of the next, and nothing is ever repacked. Softmax over keys
//! is lane-wise in the transposed logits: no horizontal sums.
//!
//! # Shapes
//!
//! In WebAssembly a C tile is made of two rows at a time: eight accumulators, four vectors of B, and an element of A make 13
//! of the 16 registers that V8 has; with one more than 15, it spills, at half the speed. Loops are written out,
//! for the module is compiled for size. Where time goes in exact attention with SIMD128 (one Sapphire Rapids core, Node 20,
//! 4096 tokens, dimension 64): 83 % in [`product`], which runs at 95 % of the speed of a micro-kernel written by hand,
//! 9 % in [`exp_tile`], 1 % in [`largest`], the rest in copies and in what is done once per row. Each of these is a pass of
//! its own over the tile of logits, which stays in the first-level cache.
//!
//! # One order of summation for logits
//!
//! Every logit is a sum over the head dimension taken in order, one accumulator per entry, in
//! [`product`] and [`row_product`] alike. A logit is therefore the same number, to the bit, in whichever method
//! and tile it is computed. At sharp temperatures logits reach 10⁴, where one rounding is worth 10⁻³ in the
//! weights: agreement between methods rests on this.

mod exp;
mod hash;
mod outer;
mod panels;
mod product;
mod search;
mod tile;
mod transpose;

pub(crate) use exp::{exp_from, exp_moment, exp_tile, largest};
pub(crate) use hash::nearest_axis;
pub(crate) use outer::{add_outer, add_weighted_rows};
pub(crate) use panels::{Panels, panel_count};
pub(crate) use product::{accumulate_rows, all_products, pair_products, product, row_product};
pub(crate) use search::{add_row, copy_lanes, judge, largest_of, largest_row, replace_lane, sum};
pub(crate) use tile::{all_finite, mask_equal, outer_sum, scale_columns, scale_rows, subtract_entries};
pub(crate) use transpose::gather_columns;

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use fearless_simd::Level;

/// Columns in a panel, and vector lanes worked on together.
pub(crate) const LANES: usize = 16;

/// One row of a panel.
pub(crate) type Lanes = [f32; LANES];

/// The instruction set that the kernels run on, on this machine: `"avx512"`, `"avx2"`, `"sse4.2"` or `"sse2"`; on
/// other processors `"simd128"`, `"relaxed-simd"`, `"neon"` or `"scalar"`.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub fn instruction_set() -> &'static str {
    match Level::new() {
        Level::Avx512(_) => "avx512",
        Level::Avx2(_) => "avx2",
        Level::Sse4_2(_) => "sse4.2",
        _ => "sse2",
    }
}

/// The instruction set that the kernels run on in this build: `"simd128"`, `"relaxed-simd"`, `"neon"` or
/// `"scalar"`.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
pub fn instruction_set() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "neon"
    } else if cfg!(all(target_arch = "wasm32", target_feature = "relaxed-simd")) {
        "relaxed-simd"
    } else if cfg!(all(target_arch = "wasm32", target_feature = "simd128")) {
        "simd128"
    } else {
        "scalar"
    }
}
