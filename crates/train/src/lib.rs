//! Training: fine-tuning and pretraining, full or with adapters, on what inference runs.
//!
//! [`Config`] is all that a run's result depends on; [`train`] does it. A step's samples, their order, what is dropped and
//! what is drawn are functions of the seed and the step, so a run that was killed and goes on ends with the same bits.
#![forbid(unsafe_code)]

mod answers;
mod batch;
mod cache;
mod checkpoint;
mod config;
mod cost;
mod dry;
mod error;
mod files;
mod load;
mod log;
mod memory;
mod merge;
pub mod new;
mod parameters;
mod pass;
mod plan;
mod prepare;
mod recipes;
mod report;
mod run;
mod schedule;
mod stage;
mod tensorboard;
mod watch;

pub use checkpoint::{BEST, LATEST};
pub use config::{Adapter, Cache, Checkpoints, Config, DType, DataConfig, Init, Reduction, Validation};
pub use dry::{DryRun, ShownSample, dry_run};
pub use error::Error;
pub use log::{Line, StepLine, write_report};
pub use merge::merge;
pub use recipes::{RECIPES, Recipe};
pub use report::SampleAnswer;
pub use run::{Observer, Options, Outcome, train};
pub use schedule::{Batches, Ramp, Schedule};
pub use stage::{Optimiser, Stage};
