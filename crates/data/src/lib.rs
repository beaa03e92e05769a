//! Data for training: readers, mixtures, labels, packing.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod error;
mod sample;

pub use error::Error;
pub use sample::{Content, PictureFile, Sample, Source};
