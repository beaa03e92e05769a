//! What can be wrong with a stream.

/// Every way in which a stream cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
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
    /// A skill draws with packages that are not there.
    #[error(
        "{skill} is drawn with {what}, not found under {folder}: scripts/get-fonts.sh and scripts/get-drawings.sh fetch them, and SMOLVLM_SYNTH names another folder"
    )]
    Missing {
        /// The skill.
        skill: String,
        /// What it draws with.
        what: &'static str,
        /// Where that was looked for.
        folder: String,
    },
    /// No skill, group or test set is called so.
    #[error("'{name}' is no {kind}; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What it should have been: a skill, a test set.
        kind: &'static str,
        /// What there is.
        known: String,
    },
    /// A mix that is none.
    #[error("the mix '{mix}': {what}")]
    Mix {
        /// The mix.
        mix: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}
