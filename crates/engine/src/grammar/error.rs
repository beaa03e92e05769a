//! What can be wrong with a grammar.

/// Every way in which a grammar can be refused, or fail on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// More text than is read.
    #[error("the {form} has {bytes} bytes; at most {most} are read")]
    TooLong {
        /// What it is, in words.
        form: &'static str,
        /// Its length.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// It is wrong, or asks for what is not supported.
    #[error("the {form} cannot be used: {what}")]
    Wrong {
        /// What it is, in words.
        form: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Written out it is larger than is allowed.
    #[error("the {form} is too large: {what}")]
    TooLarge {
        /// What it is, in words.
        form: &'static str,
        /// What of it, and how large it may be.
        what: String,
    },
    /// No token of the model goes on as it asks.
    #[error("the {form} lets no token of this model through where the answer stands")]
    Stuck {
        /// What it is, in words.
        form: &'static str,
    },
    /// Following it took more work or memory than is allowed.
    #[error("the {form} became too complex on the way: {what}")]
    TooComplex {
        /// What it is, in words.
        form: &'static str,
        /// Which limit it met.
        what: String,
    },
    /// The program has no grammars.
    #[error("this program was built without the feature `grammar`: answers of a form are not to be had")]
    Without,
}
