//! What can be wrong with a conversion.

use std::path::PathBuf;

/// Every way in which a conversion can be refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The checkpoint's weights or config.
    #[error(transparent)]
    Model(#[from] smolvlm_model::Error),
    /// Its tokenizer, template or picture settings.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What would be written is there already.
    #[error("{path} exists already; nothing is overwritten")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A checkpoint with too few or too many tensors.
    #[error("the checkpoint has {found} tensors, but its config asks for {wanted}")]
    Tensors {
        /// That are there.
        found: usize,
        /// That should be.
        wanted: usize,
    },
    /// A tensor that is no part of the network.
    #[error("tensor '{name}' is no part of SmolVLM's network")]
    Name {
        /// Its name.
        name: String,
    },
    /// A tensor whose numbers are not numbers.
    #[error("tensor '{name}' has numbers that are not finite: the weights are damaged")]
    NotFinite {
        /// Its name.
        name: String,
    },
    /// A tokenizer that llama.cpp does not know.
    #[error("the tokenizer cannot be written as GGUF: {what}")]
    Tokenizer {
        /// What about it.
        what: String,
    },
    /// Blocks that are read alone.
    #[error("{kind} weights are not written to GGUF files; {known} are")]
    Kind {
        /// The type that was asked for.
        kind: String,
        /// Those that are written.
        known: String,
    },
}
