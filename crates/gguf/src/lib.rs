//! GGUF files, as llama.cpp's tools write them: metadata and tensors, and the blocks of each type as numbers.
//!
//! [`write`] writes one. A [`Gguf`] is read from a whole file's bytes; every length in it is held against the bytes that are there before
//! anything is made of it. Layouts: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod checkpoint;
mod cursor;
mod file;
mod kind;
mod names;
mod pack;
mod tokenizer;
mod unpack;
mod value;
mod write;

pub use checkpoint::{MMPROJ, TEXT, checkpoint, fit, settings};
pub use file::{Gguf, Tensor};
pub use kind::Kind;
pub use names::{Place, ROPE_FREQS, file_names, places};
pub use value::{Array, Value};
pub use write::{Field, NewTensor, write};

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin as one.
    #[error("no GGUF file: it does not begin with 'GGUF'")]
    NoGguf,
    /// Of another version.
    #[error("GGUF of version {version}{}; versions 2 and 3 are read", if *big { ", of the other byte order" } else { "" })]
    Version {
        /// As it says.
        version: u32,
        /// Whether it is a version read backwards.
        big: bool,
    },
    /// It ends early.
    #[error("it ends in the middle of {what}: was it copied whole?")]
    Short {
        /// What was being read.
        what: String,
    },
    /// Something is not as it must be.
    #[error("{what}")]
    Wrong {
        /// What, and what would be right.
        what: String,
    },
    /// A tower's file where a decoder's should be.
    #[error("it is a tower's file (mmproj), which sees and does not speak; its decoder's file would be right here")]
    Tower,
    /// A tower's file with another model's decoder.
    #[error("it does not belong to this decoder: {what}")]
    Unfit {
        /// What does not fit.
        what: String,
    },
    /// Weights of a type that is not read.
    #[error("tensor '{tensor}' is of type {kind}, which this program does not read; {known} it does")]
    Kind {
        /// The tensor's name.
        tensor: String,
        /// The type's name or number.
        kind: String,
        /// The types that are.
        known: String,
    },
    /// A file of the disk.
    #[error("{path}: {source}")]
    File {
        /// Where it lies.
        path: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The system refuses to read it.
    #[error("{what}")]
    Read {
        /// The system's words.
        what: String,
    },
    /// A key that must be there is not, or holds something else.
    #[error("it has no {key}{what}")]
    Key {
        /// The key.
        key: String,
        /// What it should hold.
        what: &'static str,
    },
}

impl Error {
    /// Whether the file is sound, but a tower of another model.
    pub fn is_unfit(&self) -> bool {
        match self {
            Error::File { source, .. } => source.is_unfit(),
            error => matches!(error, Error::Unfit { .. }),
        }
    }
}
