//! What can go wrong in training.

use std::path::Path;

/// Every way in which a run can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The run's settings do not fit together.
    #[error("{what}")]
    Config {
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A saved state does not fit.
    #[error("{path}: {what}")]
    State {
        /// The file or folder.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The loss is no number, or jumped.
    #[error("step {step}: {what}; samples: {samples}; {rescue}")]
    Diverged {
        /// The step.
        step: u64,
        /// What happened.
        what: String,
        /// The step's samples.
        samples: String,
        /// Where to go on from.
        rescue: String,
    },
    /// The base's name or folder.
    #[error(transparent)]
    Hub(#[from] smolvlm_hub::Error),
    /// Data.
    #[error(transparent)]
    Data(#[from] smolvlm_data::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] smolvlm_model::Error),
    /// Its processor.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// Answering.
    #[error(transparent)]
    Engine(#[from] smolvlm_engine::Error),
}

impl Error {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Error {
        Error::File { path: path.display().to_string(), source }
    }

    pub(crate) fn state(path: &Path, what: impl Into<String>) -> Error {
        Error::State { path: path.display().to_string(), what: what.into() }
    }
}
