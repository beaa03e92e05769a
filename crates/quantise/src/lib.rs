//! Checkpoints in few bits.
//!
//! [`quantise`] writes one in this program's own form: what [`smolvlm_engine`] would make of the original as it loads it. With
//! samples of what the model will see ([`calibrate`]) it loses less: channels are brought level by how loud they are
//! (`smolvlm_model`'s `level.rs`), and what rounding one weight does to a product is made up for by those that are rounded after
//! it ([`compensate`]).
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod calibrate;
mod compensate;
mod error;
mod factor;
mod grid;
mod statistics;
mod write;

pub use calibrate::{Calibration, Observer, calibrate};
pub use error::Error;
pub use statistics::Statistics;
pub use write::{Made, quantise, quantise_gguf};
