//! SmolVLM's network, once: config, checkpoints, layers.
//!
//! A weight's name in a checkpoint tells the file and the field: `model.vision_model.*` is [`vision`],
//! `model.connector.*` is [`connector`], `model.text_model.*` and `lm_head` are [`text`]; [`vlm`] joins them.
#![forbid(unsafe_code)]

pub mod adapter;
mod attach;
pub mod checkpoint;
pub mod config;
pub mod connector;
mod error;
pub mod export;
pub mod few_bits;
mod files;
mod generation;
mod gguf;
mod header;
mod level;
mod linear;
mod load;
mod memory;
mod norm;
pub mod parameters;
pub mod peft;
pub mod published;
mod quants;
pub mod rope;
mod rounding;
mod save;
pub mod text;
pub mod vision;
pub mod vlm;
mod weights;

pub use adapter::Adapter;
pub use attach::{Attach, Init, Stream, fresh};
pub use checkpoint::Checkpoint;
pub use config::Config;
pub use error::Error;
pub use generation::GenerationConfig;
pub use level::Levels;
pub use linear::Linear;
pub use load::{Generated, Load, RawTensor, Role, TensorSource};
pub use quants::Quants;
pub use rounding::Rounding;
pub use save::{Grads, Kept, Save, Watcher};
pub use vlm::Vlm;
pub use weights::{Entry, Weights};
