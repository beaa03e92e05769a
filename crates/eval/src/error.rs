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
    /// A task that is not known.
    #[error("there is no task {name:?}; known are {known}, and files of one's own (.toml)")]
    NoTask {
        /// As it was asked for.
        name: String,
        /// The names of all.
        known: String,
    },
    /// A task's file that is none.
    #[error("task {name}: {what}")]
    Task {
        /// The task.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// No rows where a task's should be.
    #[error(
        "{path}: no {wanted} in it; the folder of the data set as it is published, or one of its files, would be right"
    )]
    NoRows {
        /// The folder.
        path: String,
        /// What was looked for.
        wanted: String,
    },
    /// Prompts that there are not for a task.
    #[error("{task}: {what}")]
    NoPrompt {
        /// The task.
        task: String,
        /// What is wrong.
        what: String,
    },
    /// A folder of an evaluation that cannot be taken further.
    #[error("{path}: {what}")]
    Run {
        /// The folder.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// A metric and a way of showing clips that do not go together.
    #[error(
        "vlmevalkit's prompt for clips ends with the question, so no likelihood can be told; --metric choice would be right"
    )]
    Mode,
}
