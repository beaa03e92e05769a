//! The operations of the network on the CPU, and picture resampling.
//!
//! Plain slices in, plain slices out; shapes are arguments, checked once at the safe door of each function, which panics
//! where they do not fit: a caller's mistake, never an input's. One operation a file: the scalar reference first, then the
//! vectorised paths, tested equal to it bit for bit.
//!
//! Every output element is reduced in one fixed order. Work is split over outputs, never over a reduction, so results
//! depend neither on the number of threads nor on how many rows are computed together.
#![allow(unsafe_code)]

pub mod activation;
pub mod attention;
mod buffer;
pub mod dropout;
mod dynamic_map;
pub mod halves;
mod isa;
pub mod linear;
pub mod loss;
mod math;
#[cfg(target_arch = "x86_64")]
mod math512;
pub mod nf4;
pub mod norm;
pub mod optimiser;
pub mod patches;
pub mod peak;
mod pool;
mod prefetch;
pub mod random;
pub mod resample;
pub mod rope;
mod scratch;
mod tile;
pub mod top;
mod transpose;

pub use buffer::{AlignedBytes, Arena};
pub use isa::Isa;
pub use pool::Pool;
pub use tile::{Element, Pair};
