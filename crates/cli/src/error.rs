//! What can go wrong in the program itself.

use std::process::ExitCode;

/// Every way in which a command can fail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The words of the call do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    /// stdin or stdout failed.
    #[error("{stream}: {source}")]
    Stream { stream: &'static str, source: std::io::Error },
    /// A name or folder of a model.
    #[error(transparent)]
    Hub(#[from] smolvlm_hub::Error),
    /// Pictures, chats and settings.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// Loading and answering.
    #[error(transparent)]
    Engine(#[from] smolvlm_engine::Error),
}

impl Error {
    pub(crate) fn usage<T>(what: impl Into<String>) -> Result<T, Error> {
        Err(Error::Usage(what.into()))
    }

    pub(crate) fn stdout(source: std::io::Error) -> Error {
        Error::Stream { stream: "stdout", source }
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Stream { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Error::Usage(_)) { 2 } else { 1 })
    }
}
