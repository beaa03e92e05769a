//! The same names where the program is built without grammars: none can be made.

use super::{Form, GrammarError};
use crate::Error;
use smolvlm_processor::Processor;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// A grammar: there is none.
#[derive(Debug)]
pub struct Grammar(Infallible);

impl Grammar {
    pub(crate) fn begin(&self) -> Follower {
        match self.0 {}
    }
}

/// An answer's way through a grammar: there is none.
pub(crate) struct Follower(Infallible);

impl Follower {
    pub(crate) fn allows(&mut self, _id: u32) -> Result<bool, Error> {
        match self.0 {}
    }

    pub(crate) fn mask(&mut self, _scores: &mut [f32]) -> Result<(), Error> {
        match self.0 {}
    }

    pub(crate) fn add(&mut self, _id: u32) -> Result<bool, Error> {
        match self.0 {}
    }
}

/// What grammars would be told of the tokens.
#[derive(Default)]
pub(crate) struct Vocabulary;

impl Vocabulary {
    pub(super) fn read(&self, _: &Processor, _: &BTreeSet<u32>, _: &Form) -> Result<Grammar, GrammarError> {
        Err(GrammarError::Without)
    }
}
