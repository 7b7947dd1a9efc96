//! Attention as **sparse + low rank**: exact where a hash or a search says that it matters, a kernel feature map
//! everywhere else, one normaliser per row. After *Scatterbrain: Unifying Sparse and Low-rank Attention
//! Approximation* (Chen, Dao, Winsor, Song, Rudra, Ré; NeurIPS 2021, arXiv 2110.15343).
//!
//! [`attention`] computes a whole call; [`Plan`] and [`Run`] do the same in small pieces, for callers that report
//! progress or stop early; [`analysis`] looks closely at one head.
//!
//! # Threads
//!
//! One, the caller's. With the feature `rayon`, [`attention`] and [`attention_with_stats`] run on the threads of the current
//! rayon pool: they share the heads of all sequences, and blocks of 64 queries where [`Plan::part`] cuts heads. Each thread takes scratch for
//! a head of its own, as [`Stats::peak_bytes`] says. A [`Run`] stays on the thread that steps it; [`Plan::part`] and [`Run::part`]
//! cut a call in the same way for threads of another kind, each of which can report and stop between steps. However a
//! call is cut, the result is the same to the bit. The feature does nothing in WebAssembly.
//!
//! # Numbers
//!
//! f32 in, f32 out; sums that need it are carried in f64. Everything is kept in log scale: finite input gives finite
//! output at every temperature. Queries times scale / temperature, and keys, saturate at ±10¹⁷, and values at ±10²⁹.
//! The same seed gives the same bits on the same instruction set.

pub mod analysis;
mod attention;
mod clusters;
mod error;
pub mod features;
#[cfg(feature = "webgpu")]
pub mod gpu;
mod memory;
mod moments;
mod options;
mod plan;
mod random;
mod shape;
mod simd;
pub mod support;
#[cfg(feature = "binding")]
mod wasm;

pub use attention::{Inputs, Part, Phase, Run, Stats, attention, attention_with_stats};
pub use error::{Error, Result};
pub use options::{Features, Method, Options, Support};
pub use plan::{DEFAULT_BUDGET, Plan};
pub use shape::{MAX_DIM, MAX_SIZE, Shape, Tensor, TensorView};
pub use simd::instruction_set;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
