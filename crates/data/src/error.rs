//! What can be wrong with data.

/// Every way in which a source or a mixture can fail as a whole. What is wrong with one sample is a text beside it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {what}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}
