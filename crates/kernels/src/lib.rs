//! The operations of the network on the CPU, and picture resampling.
//!
//! Plain slices in, plain slices out; shapes are arguments, checked once at the safe door of each function. One
//! operation a file: the scalar reference first, then the vectorised paths, all tested equal.
#![allow(unsafe_code)]

mod pool;
pub mod resample;

pub use pool::Pool;
