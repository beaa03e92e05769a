//! What is asked and what is answered.

use crate::{Grammar, Sampling, TokenLogprobs};
use smolvlm_processor::{Message, PlanOptions};
use std::sync::Arc;

/// One question.
#[derive(Debug, Clone)]
pub struct Request {
    /// The chat, or one text where the plan says so. Places for pictures are filled in order.
    pub messages: Vec<Message>,
    /// How pictures and special tokens are read; the context is set by the engine.
    pub plan: PlanOptions,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// Strings that end an answer; they are not part of it.
    pub stop: Vec<String>,
    /// Whether special tokens are shown in the answer.
    pub show_special: bool,
    /// What the answer is bound to, of [`crate::Engine::grammar`]; beams cannot be bound.
    pub grammar: Option<Arc<Grammar>>,
}

/// What happens on the way to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// So many tiles of the pictures are encoded.
    Tiles {
        /// Done.
        done: usize,
        /// In all.
        total: usize,
    },
    /// So many tokens of the prompt are taken in.
    Prompt {
        /// Done.
        done: usize,
        /// In all.
        total: usize,
    },
    /// So many tokens of answers that do not stream, several or searched for, are made.
    Step {
        /// Done.
        done: usize,
        /// At most.
        total: usize,
    },
    /// The answer's next piece, whole characters only.
    Text(&'a str),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop string came.
    StopString,
    /// As many tokens as were allowed.
    MaxTokens,
    /// The context is full.
    ContextFull,
    /// Whoever asked did not want more.
    Cancelled,
}

impl StopReason {
    /// As it stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            StopReason::EndOfTurn => "end_of_turn",
            StopReason::StopString => "stop_string",
            StopReason::MaxTokens => "max_tokens",
            StopReason::ContextFull => "context_full",
            StopReason::Cancelled => "cancelled",
        }
    }
}

/// Seconds by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    /// Planning the prompt and cutting the pictures into tiles.
    pub pixels: f64,
    /// The tower and the connector.
    pub vision: f64,
    /// Taking the prompt in.
    pub prefill: f64,
    /// All tokens of the answer.
    pub decode: f64,
}

/// Tokens that were guessed of an answer and passed the decoder ahead of it; see [`Sampling::lookup`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guessed {
    /// How many were guessed.
    pub made: usize,
    /// How many of these came to be the answer's.
    pub right: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its text, without stop strings.
    pub text: String,
    /// Its tokens, with the one that ended it, if one did.
    pub output_ids: Vec<u32>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Of which stand for pictures.
    pub image_tokens: usize,
    /// Of the prompt's tokens, those that had passed the decoder for an earlier request.
    pub cached_tokens: usize,
    /// How many of its tokens were guessed, which depends on what was answered beside it.
    pub guessed: Guessed,
    /// Of its tokens, by the model's bare logits, where they were asked for.
    pub logprobs: Vec<TokenLogprobs>,
    /// Of one that a search found: the sum of its log-probabilities over its length to the length penalty's power.
    pub score: Option<f32>,
    /// How long it took.
    pub times: Times,
}
