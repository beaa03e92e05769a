//! What a service has done, for whoever watches it.

use crate::Times;

/// What a service has done since it began, and what it does now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were taken, but could not be answered.
    pub failed: u64,
    /// Requests that whoever asked let go.
    pub cancelled: u64,
    /// Requests that were not taken.
    pub refused: u64,
    /// Requests that wait now.
    pub waiting: usize,
    /// Requests under way now.
    pub running: usize,
    /// Tokens of prompts whose first token was made.
    pub prompt_tokens: u64,
    /// Of which had passed the decoder for an earlier request.
    pub cached_tokens: u64,
    /// Of which stand for pictures.
    pub image_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Tokens that were guessed of answers, and passed the decoder ahead of them.
    pub guessed_tokens: u64,
    /// Of which came to be the answers'.
    pub right_tokens: u64,
    /// Pictures whose features were there.
    pub picture_hits: u64,
    /// Pictures that had to be seen.
    pub picture_misses: u64,
    /// What the features of pictures take now.
    pub picture_bytes: usize,
    /// What sequences that are kept for later requests take now.
    pub prefix_bytes: usize,
    /// Passes of the decoder.
    pub passes: u64,
    /// How often something panicked.
    pub panics: u64,
    /// Seconds by stage. A pass that takes in pieces of prompts counts as prefill.
    pub seconds: Times,
}
