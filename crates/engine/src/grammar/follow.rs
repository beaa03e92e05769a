//! A grammar that was read, and an answer's way through it.

use super::GrammarError;
use super::words::first_words;
use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::SimpleVob;

/// A grammar that was read, for the tokens of one model.
pub struct Grammar {
    form: &'static str,
    /// At its beginning; answers go on with copies.
    start: Matcher,
}

impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammar").field("form", &self.form).finish_non_exhaustive()
    }
}

impl Grammar {
    /// # Errors
    /// It lets nothing through.
    pub(super) fn new(form: &'static str, start: Matcher) -> Result<Grammar, GrammarError> {
        let mut first = Follower { form, matcher: start };
        first.allowed()?;
        Ok(Grammar { form, start: first.matcher })
    }

    /// The way of another answer. It shares nothing with others': what one meets does not change what another may do.
    pub fn begin(&self) -> Follower {
        Follower { form: self.form, matcher: self.start.deep_clone() }
    }
}

/// An answer's way through a grammar.
pub struct Follower {
    form: &'static str,
    matcher: Matcher,
}

impl Follower {
    /// Whether this token may come next. It takes far less than a mask of all does.
    ///
    /// # Errors
    /// The grammar became too complex.
    pub fn allows(&mut self, id: u32) -> Result<bool, GrammarError> {
        let known = self.matcher.tok_env().is_ok_and(|tokens| (id as usize) < tokens.tok_trie().vocab_size());
        if !known {
            return Ok(false);
        }
        let taken = self.matcher.validate_tokens(&[id]).map_err(|e| self.failed(&e.to_string()))?;
        Ok(taken == 1)
    }

    /// Forbids the tokens that may not come next: their scores become minus infinity.
    ///
    /// # Errors
    /// None may, or the grammar became too complex.
    pub fn mask(&mut self, scores: &mut [f32]) -> Result<(), GrammarError> {
        let allowed = self.allowed()?;
        let mut words = allowed.as_slice().iter();
        for scores in scores.chunks_mut(u32::BITS as usize) {
            let word = words.next().copied().unwrap_or(0);
            if word == u32::MAX {
                continue;
            }
            for (bit, score) in scores.iter_mut().enumerate() {
                if word >> bit & 1 == 0 {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        Ok(())
    }

    /// Goes on by a token; whether the answer is whole and nothing can follow.
    ///
    /// # Errors
    /// It may not come, or the grammar became too complex.
    pub fn add(&mut self, id: u32) -> Result<bool, GrammarError> {
        self.matcher.consume_token(id).map_err(|e| self.failed(&e.to_string()))?;
        Ok(self.matcher.is_stopped())
    }

    fn allowed(&mut self) -> Result<SimpleVob, GrammarError> {
        self.matcher.compute_mask_or_eos().map_err(|e| self.failed(&e.to_string()))
    }

    fn failed(&self, said: &str) -> GrammarError {
        let form = self.form;
        if said.starts_with(&StopReason::NoExtensionBias.to_string()) {
            return GrammarError::Stuck { form };
        }
        GrammarError::TooComplex { form, what: first_words(said) }
    }
}
