//! What can go wrong.

use std::path::PathBuf;

/// Why a checkpoint was not brought to few bits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is overwritten.
    #[error("{path} exists already; nothing is overwritten", path = path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// None of the samples can be used.
    #[error("none of the samples can be used{why}")]
    NoSamples {
        /// What is wrong with the first, behind a colon.
        why: String,
    },
    /// The weights are in few bits already.
    #[error("{path}: its weights are in few bits already; the model that they were made of would be right here")]
    FewBits {
        /// The model.
        path: String,
    },
    /// A matrix does not fit the form.
    #[error("'{name}' has {inputs} inputs; 4 bits are written in groups of 64 of them: q8 for its part would be right")]
    Ragged {
        /// The matrix.
        name: String,
        /// Its inputs.
        inputs: usize,
    },
    /// A matrix holds what is no number.
    #[error("'{name}' holds what is no finite number")]
    NotFinite {
        /// The matrix.
        name: String,
    },
    /// Running the model.
    #[error(transparent)]
    Engine(#[from] smolvlm_engine::Error),
    /// Reading or writing weights.
    #[error(transparent)]
    Model(#[from] smolvlm_model::Error),
    /// Reading samples.
    #[error(transparent)]
    Data(#[from] smolvlm_data::Error),
    /// Reading settings, or samples' pictures.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// Writing GGUF.
    #[error(transparent)]
    Convert(#[from] smolvlm_convert::Error),
}
