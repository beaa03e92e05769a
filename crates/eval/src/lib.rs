//! Scores: a model answers the questions of any data set that training reads, and its answers are compared with those of
//! the data set.
//!
//! [`Evaluation::open`] opens the data, [`Evaluation::run`] asks, scores, and writes every answer (`answers.jsonl`), the
//! scores (`scores.json`) and a page of pictures with right and wrong answers (`report.html`).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod asker;
mod chance;
mod error;
mod evaluation;
mod files;
mod interval;
mod metrics;
mod page;
mod picture;
mod question;
mod rows;
mod scores;
mod thumbnail;

pub use chance::Chance;
pub use error::Error;
pub use evaluation::{Control, Evaluation, Observer, Options, Outcome, SoFar};
pub use interval::{Interval, normal, wilson};
pub use metrics::{Metric, Truth};
pub use scores::Score;
