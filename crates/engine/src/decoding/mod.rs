//! How tokens are chosen from logits.
//!
//! [`Sampling`] holds every setting. They act in this order (`chain.rs`), those of transformers in the order of its
//! `_get_logits_processor`:
//!
//! 1. `sequence_bias`, `prompt_bonus`, `repetition_penalty`, `no_repeat_ngram`, `no_prompt_ngram`, `bad_words`,
//!    `min_length`, `min_tokens`, `forced_bos`, `forced_eos`, `remove_invalid`, `decay`, `suppress`, `begin_suppress`;
//! 2. where transformers puts processors that a caller adds: `frequency_penalty` and `presence_penalty`, `dry`;
//! 3. if tokens are drawn: `temperature`, `top_n_sigma` (its cut is the same at any temperature), `top_h`, `top_k`, `top_p`,
//!    `min_p`, `typical_p`, `epsilon_cutoff`, `eta_cutoff`, `xtc`; or `temperature` and `mirostat`, which makes its own cut;
//! 4. `renormalize`.
//!
//! Then the likeliest token is taken, or one is drawn. A search with beams applies the same chain to log-probabilities.

mod bans;
mod beams;
mod chain;
mod defaults;
mod dry;
#[cfg(test)]
mod golden;
mod logprobs;
mod mirostat;
mod penalties;
mod sampler;
mod settings;
mod warpers;

pub(crate) use beams::{Beam, Next, Search};
pub(crate) use chain::{Chain, Scope};
pub use defaults::Defaults;
pub use logprobs::TokenLogprobs;
pub(crate) use sampler::Sampler;
pub use settings::{Dry, EarlyStopping, MOST_AT_ONCE, MOST_LOGPROBS, Mirostat, Sampling, Xtc};
