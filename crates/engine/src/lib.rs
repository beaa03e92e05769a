//! Answers: pictures and a chat in, text out.
//!
//! [`Engine::open`] loads a checkpoint; [`Engine::answer`] plans, encodes the pictures, takes the prompt in, and decodes
//! over the KV cache. Everything the user is told on the way are [`Event`]s.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

/// Counts allocations where a test asks.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

mod answer;
mod batch;
pub mod bench;
mod capture;
mod compare;
mod core;
mod course;
pub mod decoding;
mod embed;
mod engine;
mod error;
mod features;
mod gallery;
pub mod grammar;
mod likelihood;
mod line;
mod lookup;
mod lru;
pub mod memory;
mod pace;
mod perplexity;
mod pictures;
mod prefix;
mod prompt;
mod queue;
mod request;
mod service;
mod stop;
mod track;
mod writer;

pub use batch::Asked;
pub use capture::Capture;
pub use compare::{Apart, Compared};
pub use decoding::{Defaults, Sampling, TokenLogprobs};
pub use embed::Vectors;
pub use engine::{Bits, DTypeChoice, Engine, EngineOptions, FewBits, Network};
pub use error::Error;
pub use features::Features;
pub use gallery::PictureSource;
pub use grammar::{Form, Grammar, GrammarError};
pub use perplexity::Perplexity;
pub use queue::{Ask, Queue, QueueOptions};
pub use request::{Answer, Event, Guessed, Request, StopReason, Times};
pub use service::{Counts, Listener, Progress, Refusal, Service, ServiceOptions, Ticket};
