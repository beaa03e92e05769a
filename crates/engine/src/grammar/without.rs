//! The same names where the program is built without grammars: none can be made.

use super::{Form, GrammarError};
use smolvlm_processor::Tokenizer;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// A grammar: there is none.
#[derive(Debug)]
pub struct Grammar(Infallible);

impl Grammar {
    /// The way of another answer.
    pub fn begin(&self) -> Follower {
        match self.0 {}
    }
}

/// An answer's way through a grammar: there is none.
pub struct Follower(Infallible);

impl Follower {
    /// Whether this token may come next.
    ///
    /// # Errors
    /// None.
    pub fn allows(&mut self, _id: u32) -> Result<bool, GrammarError> {
        match self.0 {}
    }

    /// Forbids the tokens that may not come next.
    ///
    /// # Errors
    /// None.
    pub fn mask(&mut self, _scores: &mut [f32]) -> Result<(), GrammarError> {
        match self.0 {}
    }

    /// Goes on by a token.
    ///
    /// # Errors
    /// None.
    pub fn add(&mut self, _id: u32) -> Result<bool, GrammarError> {
        match self.0 {}
    }
}

/// What grammars would be told of the tokens.
#[derive(Default)]
pub struct Vocabulary;

impl Vocabulary {
    /// Refuses a grammar.
    ///
    /// # Errors
    /// [`GrammarError::Without`].
    pub fn read(&self, _: &Tokenizer, _: &BTreeSet<u32>, _: &Form) -> Result<Grammar, GrammarError> {
        Err(GrammarError::Without)
    }
}
