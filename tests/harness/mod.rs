//! One table of cases and one comparison against the reference, for every target and every test.

// Each test binary compiles its own copy and uses a part of it.
#![allow(dead_code)]

pub mod bridge;
pub mod cases;
pub mod check;
pub mod clusters;
pub mod data;
pub mod tolerance;
