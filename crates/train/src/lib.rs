//! Training: fine-tuning and pretraining, full or with adapters, on what inference runs.
#![forbid(unsafe_code)]

mod config;
mod error;
mod schedule;

pub use config::{
    Adapter, Cache, Checkpoints, Config, DType, DataConfig, Init, Optimiser, Reduction, Stage, Validation,
};
pub use error::Error;
pub use schedule::{Batches, Ramp, Schedule};
