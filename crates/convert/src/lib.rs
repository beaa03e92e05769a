//! Checkpoints from one kind of file to another.
//!
//! [`to_folder`] writes the form of Hugging Face, [`to_gguf`] the pair of files that llama.cpp reads. Both read whatever this
//! program reads.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod error;
mod folder;
mod gguf;
mod metadata;
mod vocabulary;

pub use error::Error;
pub use folder::to_folder;
pub use gguf::{Made, to_gguf};

use smolvlm_backend::Stored;
use smolvlm_gguf::Kind;
use smolvlm_model::{Config, Entry, Vlm, Weights};
use smolvlm_sys::Files;

/// What a checkpoint's table is in, of the types that lose nothing of it.
///
/// # Errors
/// Its weights cannot be opened.
pub fn kind_of(files: &Files) -> Result<Kind, Error> {
    Ok(match table(&Weights::open(files)?.entries()?) {
        Stored::Bf16 => Kind::BF16,
        Stored::F16 => Kind::F16,
        Stored::F32 => Kind::F32,
        Stored::Q8 | Stored::Q8Blocks | Stored::Q4 | Stored::Q4K | Stored::Q6K => Kind::Q8_0,
    })
}

/// What the embedding table's numbers are.
fn table(entries: &[Entry]) -> Stored {
    let table = entries.iter().find(|entry| entry.name.ends_with("embed_tokens.weight"));
    table.map_or(Stored::F32, |table| table.stored)
}

/// A checkpoint's tensors, which must be all that its config asks for: (those, where they are read from).
fn tensors(weights: &Weights, config: &Config) -> Result<Vec<Entry>, Error> {
    let mut entries = weights.entries()?;
    // Some checkpoints keep a head beside the table that it is tied to.
    entries.retain(|entry| !(config.tied && entry.name == "lm_head.weight"));
    let wanted = Vlm::tensors(config);
    if entries.len() != wanted {
        return Err(Error::Tensors { found: entries.len(), wanted });
    }
    Ok(entries)
}
