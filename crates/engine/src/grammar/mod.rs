//! Answers of a form: any JSON object, what a JSON Schema describes, what a regular expression matches, or a Lark grammar.
//!
//! A [`Form`] is read once a request ([`Engine::grammar`]); each answer then follows the [`Grammar`] with a state of its
//! own, which lets through the tokens with which the answer can still become whole, and its end only where it is. What an
//! answer may be is worked out by the library `llguidance`; here stand its limits, and what it is told of the tokens.

#[cfg(feature = "grammar")]
mod bounds;
mod error;
#[cfg(feature = "grammar")]
mod follow;
#[cfg(feature = "grammar")]
mod schema;
#[cfg(feature = "grammar")]
mod vocabulary;
#[cfg(not(feature = "grammar"))]
mod without;
#[cfg(feature = "grammar")]
mod words;

use crate::{Engine, Error};
use std::sync::Arc;

pub use error::GrammarError;
#[cfg(not(feature = "grammar"))]
pub use without::{Follower, Grammar, Vocabulary};
#[cfg(feature = "grammar")]
pub use {
    follow::{Follower, Grammar},
    vocabulary::Vocabulary,
};

/// What an answer is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema describes.
    JsonSchema(String),
    /// Text that this regular expression matches as a whole, in the syntax of Rust's `regex`.
    Regex(String),
    /// Text of this grammar, in llguidance's Lark.
    Lark(String),
}

impl Engine {
    /// Reads what answers are to be, for a request's `grammar`. The first time it also looks at the model's tokens, which
    /// takes a moment.
    ///
    /// # Errors
    /// It is wrong, asks for what is not supported, or is too large.
    pub fn grammar(&self, form: &Form) -> Result<Arc<Grammar>, Error> {
        Ok(Arc::new(self.vocabulary.read(self.processor.tokenizer(), &self.stops, form)?))
    }
}
