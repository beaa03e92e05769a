//! Data for training: readers, mixtures, labels, packing.
//!
//! What a step learns is a function of the seed and the step: nothing is remembered between steps, so that any of them can
//! be made again.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod clips;
mod dedup;
mod drawn;
mod encode;
mod error;
mod labels;
mod loader;
mod mixture;
mod pack;
pub mod random;
mod read;
mod sample;
mod sources;
mod turns;
mod write;

pub use clips::{ClipFrames, ClipShown};
pub use dedup::{Fingerprint, LIMIT, MOST_LIMIT, Match, PictureAt, PictureIndex, RowPrints, fingerprints};
pub use drawn::{Format, Writer, is_drawn};
pub use encode::{Encoding, Example, ExamplePicture, Long};
pub use error::Error;
pub use labels::Labels;
pub use loader::{Loader, Skipped, StepData};
pub use mixture::{Draw, Mixture};
pub use pack::{Pack, Packing, pack};
pub use read::{Cell, Columns, Fields, Record, Records, open};
pub use sample::{ClipFile, Content, PictureData, PictureFile, References, Sample, Source};
pub use sources::{SourceConfig, read_mixture};
pub use write::JsonLines;
