//! Scores: a model answers the questions of any data set that training reads, or of a benchmark by its name, and its answers
//! are compared with those of the data set.
//!
//! [`Evaluation::open`] opens data, [`Evaluation::of_task`] a benchmark ([`Task`]); [`Evaluation::run`] asks, scores, and writes
//! every answer (`answers.jsonl`), the scores (`scores.json`), a page of pictures with right and wrong answers (`report.html`),
//! and how far it is (`run.json`), by which a run that was killed goes on. [`merge`] makes one of the parts of a run, [`against`]
//! holds two runs against each other.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod asker;
mod caption;
mod captioned;
mod chance;
mod data;
mod error;
mod evaluation;
mod files;
mod interval;
mod merge;
mod metrics;
mod official;
mod overview;
mod page;
mod picture;
mod prompts;
mod question;
mod records;
mod results;
mod rows;
mod rule;
mod run;
mod run_state;
mod scores;
mod server;
mod tables;
mod task;
mod thumbnail;

pub use chance::Chance;
pub use error::Error;
pub use evaluation::{Control, Evaluation, Observer, Options, Prompts, SoFar};
pub use interval::{Interval, normal, wilson};
pub use merge::{Difference, against, merge};
pub use metrics::{Metric, Truth};
pub use overview::{markdown, overview};
pub use prompts::Style;
pub use results::Outcome;
pub use rows::Shard;
pub use rule::Rule;
pub use run_state::Speed;
pub use scores::Score;
pub use server::Server;
pub use task::{Published, Task};
