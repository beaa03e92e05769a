//! What can be wrong with an evaluation as a whole. What is wrong with one row is a text beside it.

/// Every way in which an evaluation can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source cannot be opened.
    #[error(transparent)]
    Data(#[from] smolvlm_data::Error),
    /// A file of results cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No question was answered.
    #[error("no question was answered: {rows} rows were read, {bad} could not be used{first}")]
    Nothing {
        /// Rows that were read.
        rows: usize,
        /// How many of them could not be used.
        bad: usize,
        /// The first of these and what is wrong with it, behind a semicolon.
        first: String,
    },
    /// A metric and a way of showing clips that do not go together.
    #[error(
        "vlmevalkit's prompt for clips ends with the question, so no likelihood can be told; --metric choice would be right"
    )]
    Mode,
}
