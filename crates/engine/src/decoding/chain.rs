//! The order in which settings act on the scores of the next token.

use super::settings::Sampling;
use super::{bans, dry, penalties, warpers};
use crate::Error;
use smolvlm_backend::Splitmix;

/// What settings need to know of the model and the request.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The model's tokens.
    pub(crate) vocab: usize,
    /// Those that end an answer.
    pub(crate) ends: Vec<u32>,
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// The most tokens of the answer.
    pub(crate) limit: usize,
}

/// The settings of a request, ready to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) sampling: Sampling,
    pub(crate) scope: Scope,
    /// Tokens that filters leave, however little is let through.
    keep: usize,
}

impl Chain {
    /// # Errors
    /// Where a setting is out of its range, contradicts another, or names a token that the model does not have.
    pub(crate) fn new(mut sampling: Sampling, scope: Scope) -> Result<Chain, Error> {
        sampling.check()?;
        sampling.check_tokens(scope.vocab)?;
        // Of two biases of the same sequence the later counts.
        let mut biases: Vec<(Vec<u32>, f32)> = Vec::new();
        for (ids, bias) in std::mem::take(&mut sampling.sequence_bias) {
            biases.retain(|(known, _)| *known != ids);
            biases.push((ids, bias));
        }
        sampling.sequence_bias = biases;
        sampling.dry.breakers.sort_unstable(); // they are looked up
        // As transformers: so many that a search always finds tokens with which an answer goes on.
        let keep = if sampling.beams > 1 { scope.ends.len() + 1 } else { 1 };
        Ok(Chain { sampling, scope, keep })
    }

    /// Changes the scores of what comes behind `history`, prompt and answer so far. Draws one number of `random` where
    /// xtc is on.
    pub(crate) fn apply(&self, history: &[u32], scores: &mut [f32], random: &mut Splitmix) {
        self.process(history, scores);
        self.penalise(history, scores);
        if self.sampling.temperature > 0.0 {
            self.filter(scores, random);
        }
        if self.sampling.renormalize {
            warpers::log_softmax(scores);
        }
    }

    /// What transformers calls logits processors.
    fn process(&self, history: &[u32], scores: &mut [f32]) {
        let (s, Scope { ends, prompt, limit, .. }) = (&self.sampling, &self.scope);
        let asked = history.get(..*prompt).unwrap_or(history);
        let made = history.len().saturating_sub(*prompt);
        penalties::bias(&s.sequence_bias, history, scores);
        if s.prompt_bonus != 1.0 {
            penalties::repetition(1.0 / s.prompt_bonus, asked, scores);
        }
        if s.repetition_penalty != 1.0 {
            penalties::repetition(s.repetition_penalty, history, scores);
        }
        bans::ngrams(s.no_repeat_ngram, history, history, scores);
        bans::ngrams(s.no_prompt_ngram, asked, history, scores);
        bans::words(&s.bad_words, ends, history, scores);
        if history.len() < s.min_length {
            bans::ban(ends, scores);
        }
        if made < s.min_tokens {
            bans::ban(ends, scores);
        }
        if let Some(first) = s.forced_bos.filter(|_| history.len() == 1) {
            bans::force(&[first], scores);
        }
        if !s.forced_eos.is_empty() && made + 1 == *limit {
            bans::force(&s.forced_eos, scores);
        }
        if s.remove_invalid {
            bans::mend(scores);
        }
        if let Some((start, factor)) = s.decay.filter(|(start, _)| made > *start) {
            penalties::decay(factor, made - start, ends, scores);
        }
        bans::ban(&s.suppress, scores);
        // Behind a prompt of one token comes the forced one, and then the answer begins.
        let begins = usize::from(*prompt <= 1 && s.forced_bos.is_some());
        if made == begins {
            bans::ban(&s.begin_suppress, scores);
        }
    }

    /// The penalties that transformers does not have.
    fn penalise(&self, history: &[u32], scores: &mut [f32]) {
        let s = &self.sampling;
        if s.frequency_penalty != 0.0 || s.presence_penalty != 0.0 {
            let answer = history.get(self.scope.prompt..).unwrap_or_default();
            penalties::frequency_and_presence(s.frequency_penalty, s.presence_penalty, answer, scores);
        }
        if s.dry.multiplier > 0.0 {
            dry::penalise(&s.dry, history, scores);
        }
    }

    /// What transformers calls warpers, and others of the kind.
    fn filter(&self, scores: &mut [f32], random: &mut Splitmix) {
        let (s, keep) = (&self.sampling, self.keep);
        if s.temperature != 1.0 {
            warpers::temperature(s.temperature, scores);
        }
        if s.top_n_sigma > 0.0 {
            warpers::top_n_sigma(s.top_n_sigma, keep, scores);
        }
        if s.top_h > 0.0 {
            warpers::top_h(s.top_h, scores);
        }
        if s.top_k > 0 {
            warpers::top_k(s.top_k, keep, scores);
        }
        if s.top_p < 1.0 {
            warpers::top_p(s.top_p, keep, scores);
        }
        if s.min_p > 0.0 {
            warpers::min_p(s.min_p, keep, scores);
        }
        if s.typical_p < 1.0 {
            warpers::typical_p(s.typical_p, keep, scores);
        }
        if s.epsilon_cutoff > 0.0 {
            warpers::epsilon(s.epsilon_cutoff, keep, scores);
        }
        if s.eta_cutoff > 0.0 {
            warpers::eta(s.eta_cutoff, keep, scores);
        }
        if s.xtc.probability > 0.0 && random.uniform() < f64::from(s.xtc.probability) {
            warpers::xtc(s.xtc.threshold, keep, scores);
        }
    }
}
