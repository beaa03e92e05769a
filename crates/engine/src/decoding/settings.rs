//! How tokens are chosen: every setting, its range, and what it is called.

use crate::Error;

/// When a search with beams ends, as transformers' `early_stopping`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    /// `true`: as soon as as many answers have ended as there are beams.
    Yes,
    /// `false`: when, at its present length, no beam is better than the worst ended answer.
    #[default]
    No,
    /// `"never"`: when, at any length that it may reach, no beam can become better.
    Never,
}

/// Penalises the token that would go on with a repetition: `multiplier * base^(length - allowed_length)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// 0 is off.
    pub multiplier: f32,
    /// What the penalty grows by with each repeated token.
    pub base: f32,
    /// Repetitions as long as this are the first to be penalised.
    pub allowed_length: usize,
    /// Tokens across which nothing counts as repeated.
    pub breakers: Vec<u32>,
}

impl Dry {
    /// The texts that break a repetition where nobody names others.
    pub const BREAKERS: [&str; 4] = ["\n", ":", "\"", "*"];
}

impl Default for Dry {
    fn default() -> Dry {
        Dry { multiplier: 0.0, base: 1.75, allowed_length: 2, breakers: Vec::new() }
    }
}

/// Now and then leaves out the likeliest tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xtc {
    /// How often; 0 is off.
    pub probability: f32,
    /// Of the tokens at least this probable only the least probable is kept; above 0.5 nothing is left out.
    pub threshold: f32,
}

impl Default for Xtc {
    fn default() -> Xtc {
        Xtc { probability: 0.0, threshold: 0.1 }
    }
}

/// Keeps the surprise of the drawn tokens near a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirostat {
    /// 1 or 2; 0 is off.
    pub version: u8,
    /// The surprise aimed at, in bits.
    pub tau: f32,
    /// How fast the cut follows.
    pub eta: f32,
}

impl Default for Mirostat {
    fn default() -> Mirostat {
        Mirostat { version: 0, tau: 5.0, eta: 0.1 }
    }
}

/// How tokens are chosen. The default takes the likeliest; [`crate::decoding`] says in which order settings act.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Added to the last token's logit where the others stand at the text's end; `sequence_bias`.
    pub sequence_bias: Vec<(Vec<u32>, f32)>,
    /// Logits of the prompt's tokens are multiplied by it where positive, else divided; 1 leaves them;
    /// `encoder_repetition_penalty`.
    pub prompt_bonus: f32,
    /// Logits of tokens seen already are divided by it where positive, else multiplied; 1 leaves them.
    pub repetition_penalty: f32,
    /// No sequence of so many tokens comes twice; 0 is off.
    pub no_repeat_ngram: usize,
    /// No sequence of so many tokens of the prompt comes again; 0 is off; `encoder_no_repeat_ngram_size`.
    pub no_prompt_ngram: usize,
    /// Sequences that never come.
    pub bad_words: Vec<Vec<u32>>,
    /// The least tokens of prompt and answer before it may end.
    pub min_length: usize,
    /// The least tokens of the answer before it may end.
    pub min_tokens: usize,
    /// The most tokens of prompt and answer; 0 is no limit of this kind.
    pub max_length: usize,
    /// The first token behind a prompt of a single one.
    pub forced_bos: Option<u32>,
    /// What an answer ends with when it reaches its limit; any where there are none.
    pub forced_eos: Vec<u32>,
    /// Whether logits that are no numbers are mended instead of refused.
    pub remove_invalid: bool,
    /// Behind so many tokens of the answer its end grows likelier by this factor a token.
    pub decay: Option<(usize, f32)>,
    /// Tokens that never come.
    pub suppress: Vec<u32>,
    /// Tokens that do not come first.
    pub begin_suppress: Vec<u32>,
    /// Taken off a logit for every time that the answer has the token.
    pub frequency_penalty: f32,
    /// Taken off the logits of tokens that the answer has.
    pub presence_penalty: f32,
    /// Against repetitions.
    pub dry: Dry,
    /// 0 is greedy, and all down to `xtc` is without effect; else logits are divided by it.
    pub temperature: f32,
    /// Keep logits within so many standard deviations of the largest; 0 keeps all.
    pub top_n_sigma: f32,
    /// Keep the likeliest whose entropy stays below this part of the whole; 0 keeps all.
    pub top_h: f32,
    /// Keep the k likeliest; 0 keeps all.
    pub top_k: usize,
    /// Keep the likeliest whose probabilities first reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Keep those at least this part as likely as the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Keep those nearest to the expected surprise whose probabilities first reach this sum; 1 keeps all.
    pub typical_p: f32,
    /// Keep those at least this probable; 0 keeps all.
    pub epsilon_cutoff: f32,
    /// Keep those at least as probable as this and the entropy say; 0 keeps all.
    pub eta_cutoff: f32,
    /// Leaves out the likeliest.
    pub xtc: Xtc,
    /// Instead of the filters above.
    pub mirostat: Mirostat,
    /// Whether scores are made log-probabilities again at the end; it tells in beams alone.
    pub renormalize: bool,
    /// Answers pursued at a time; 1 is no search.
    pub beams: usize,
    /// A beam's score is its sum of log-probabilities over its length to this power.
    pub length_penalty: f32,
    /// When a search ends.
    pub early_stopping: EarlyStopping,
    /// Answers to one request: so many draws, or the best so many beams.
    pub samples: usize,
    /// The likeliest tokens of each step to report beside the chosen one; `None` reports nothing.
    pub logprobs: Option<usize>,
    /// Of the draws.
    pub seed: u64,
    /// The most tokens guessed at a time from what the text has said before; 0 guesses none. The answer is the same.
    pub lookup: usize,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            sequence_bias: Vec::new(),
            prompt_bonus: 1.0,
            repetition_penalty: 1.0,
            no_repeat_ngram: 0,
            no_prompt_ngram: 0,
            bad_words: Vec::new(),
            min_length: 0,
            min_tokens: 0,
            max_length: 0,
            forced_bos: None,
            forced_eos: Vec::new(),
            remove_invalid: false,
            decay: None,
            suppress: Vec::new(),
            begin_suppress: Vec::new(),
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            dry: Dry::default(),
            temperature: 0.0,
            top_n_sigma: 0.0,
            top_h: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            xtc: Xtc::default(),
            mirostat: Mirostat::default(),
            renormalize: false,
            beams: 1,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::No,
            samples: 1,
            logprobs: None,
            seed: 0,
            lookup: 7,
        }
    }
}

/// The most beams and samples: each holds a cache of its own.
pub const MOST_AT_ONCE: usize = 64;

/// The most alternatives of a step that are reported.
pub const MOST_LOGPROBS: usize = 100;

/// The most tokens guessed at a time.
pub(super) const MOST_GUESSED: usize = 31;

/// The largest length penalty on either side: a power of the length that stays a number.
const LENGTH_PENALTY: f32 = 8.0;

impl Sampling {
    /// # Errors
    /// Where a setting is out of its range, or two contradict each other.
    pub fn check(&self) -> Result<(), Error> {
        let within = |name, value: f32, ok: bool, range| {
            if value.is_finite() && ok { Ok(()) } else { Err(Error::Sampling { name, value, range }) }
        };
        let part = |x: f32| (0.0..1.0).contains(&x);
        within("temperature", self.temperature, self.temperature >= 0.0, "0 (greedy) or more")?;
        within("top-n-sigma", self.top_n_sigma, self.top_n_sigma >= 0.0, "0 (off) or more")?;
        within("top-h", self.top_h, (0.0..=1.0).contains(&self.top_h), "0 (off) to 1")?;
        within("top-p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "above 0 and at most 1")?;
        within("min-p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1")?;
        within("typical-p", self.typical_p, self.typical_p > 0.0 && self.typical_p <= 1.0, "above 0 and at most 1")?;
        within("epsilon-cutoff", self.epsilon_cutoff, part(self.epsilon_cutoff), "0 (off) or more and below 1")?;
        within("eta-cutoff", self.eta_cutoff, part(self.eta_cutoff), "0 (off) or more and below 1")?;
        within("repeat-penalty", self.repetition_penalty, self.repetition_penalty > 0.0, "above 0")?;
        within("encoder_repetition_penalty", self.prompt_bonus, self.prompt_bonus > 0.0, "above 0")?;
        within("frequency-penalty", self.frequency_penalty, true, "a number")?;
        within("presence-penalty", self.presence_penalty, true, "a number")?;
        within("dry-multiplier", self.dry.multiplier, self.dry.multiplier >= 0.0, "0 (off) or more")?;
        within("dry-base", self.dry.base, self.dry.base >= 1.0, "1 or more")?;
        let chance = self.xtc.probability;
        within("xtc-probability", chance, (0.0..=1.0).contains(&chance), "0 (off) to 1")?;
        within("xtc-threshold", self.xtc.threshold, (0.0..=1.0).contains(&self.xtc.threshold), "0 to 1")?;
        let Mirostat { version, tau, eta } = self.mirostat;
        within("mirostat", f32::from(version), version <= 2, "0 (off), 1 or 2")?;
        within("mirostat-tau", tau, tau > 0.0, "above 0")?;
        within("mirostat-eta", eta, eta > 0.0 && eta <= 1.0, "above 0 and at most 1")?;
        let factor = self.decay.map_or(1.0, |(_, factor)| factor);
        within("exponential_decay_length_penalty", factor, factor > 0.0, "above 0")?;
        let penalty = self.length_penalty;
        within("length-penalty", penalty, penalty.abs() <= LENGTH_PENALTY, "-8 to 8")?;
        let count =
            |name, value: usize, most: usize, range| within(name, value as f32, (1..=most).contains(&value), range);
        count("beams", self.beams, MOST_AT_ONCE, "1 to 64")?;
        count("samples", self.samples, MOST_AT_ONCE, "1 to 64")?;
        let shown = self.logprobs.unwrap_or(0);
        within("logprobs", shown as f32, shown <= MOST_LOGPROBS, "0 to 100")?;
        within("prompt-lookup", self.lookup as f32, self.lookup <= MOST_GUESSED, "0 (off) to 31")?;
        for (_, bias) in &self.sequence_bias {
            within("logit-bias", *bias, true, "a number")?;
        }
        self.check_together()
    }

    /// That no two settings contradict each other.
    fn check_together(&self) -> Result<(), Error> {
        let refuse = |what| Err(Error::Contradiction { what });
        let drawn = self.temperature > 0.0;
        if self.beams > 1 && self.samples > self.beams {
            return refuse("more samples than beams are asked for: a search gives at most one answer a beam");
        }
        if self.beams == 1 && self.samples > 1 && !drawn {
            return refuse(
                "several samples of the likeliest tokens are all the same: a temperature above 0 draws them",
            );
        }
        if self.mirostat.version > 0 {
            if !drawn {
                return refuse("mirostat draws tokens: it needs a temperature above 0");
            }
            if self.beams > 1 {
                return refuse("mirostat follows one answer: it cannot steer beams");
            }
            if self.has_filters() {
                return refuse("mirostat makes its own cut: the other filters must be off");
            }
        }
        Ok(())
    }

    /// These settings, for an answer that is bound to a grammar: it says what may come, and nothing else is forced.
    ///
    /// # Errors
    /// A search is asked for.
    pub(crate) fn bound(&self) -> Result<Sampling, Error> {
        if self.beams > 1 {
            return Err(Error::Contradiction { what: "a grammar binds one answer: it cannot steer beams" });
        }
        // What is mended would be let through again.
        Ok(Sampling { forced_bos: None, forced_eos: Vec::new(), remove_invalid: false, ..self.clone() })
    }

    /// Whether any filter of drawn tokens is on, mirostat aside.
    pub fn has_filters(&self) -> bool {
        self.top_n_sigma > 0.0
            || self.top_h > 0.0
            || self.top_k > 0
            || self.top_p < 1.0
            || self.min_p > 0.0
            || self.typical_p < 1.0
            || self.epsilon_cutoff > 0.0
            || self.eta_cutoff > 0.0
            || self.xtc.probability > 0.0
    }

    /// Takes the filters off that a model's own settings may have: mirostat takes their place.
    pub fn take_filters_off(&mut self) {
        let Sampling { top_k, top_p, min_p, typical_p, top_h, epsilon_cutoff, eta_cutoff, .. } = Sampling::default();
        (self.top_k, self.top_p, self.min_p, self.typical_p) = (top_k, top_p, min_p, typical_p);
        (self.top_h, self.epsilon_cutoff, self.eta_cutoff) = (top_h, epsilon_cutoff, eta_cutoff);
    }

    /// That every token that a setting names is one of `vocab`.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn check_tokens(&self, vocab: usize) -> Result<(), Error> {
        let sequences = |name, list: &[Vec<u32>]| {
            if list.iter().any(Vec::is_empty) {
                return Err(Error::EmptySequence { name });
            }
            within(name, list.iter().flatten(), vocab)
        };
        let biased: Vec<Vec<u32>> = self.sequence_bias.iter().map(|(ids, _)| ids.clone()).collect();
        sequences("logit-bias", &biased)?;
        sequences("bad-word", &self.bad_words)?;
        within("forced_bos_token_id", &self.forced_bos, vocab)?;
        within("forced_eos_token_id", &self.forced_eos, vocab)
    }

    /// Whether the likeliest token of the bare logits is always taken, so that the logits need not be looked at.
    pub(crate) fn is_plain_greedy(&self) -> bool {
        let Sampling { sequence_bias, bad_words, suppress, begin_suppress, forced_eos, .. } = self;
        self.temperature == 0.0
            && self.logprobs.is_none()
            && self.beams == 1
            && sequence_bias.is_empty()
            && bad_words.is_empty()
            && suppress.is_empty()
            && begin_suppress.is_empty()
            && forced_eos.is_empty()
            && self.forced_bos.is_none()
            && self.decay.is_none()
            && !self.remove_invalid
            && (self.repetition_penalty, self.prompt_bonus) == (1.0, 1.0)
            && (self.frequency_penalty, self.presence_penalty, self.dry.multiplier) == (0.0, 0.0, 0.0)
            && (self.no_repeat_ngram, self.no_prompt_ngram, self.min_length, self.min_tokens) == (0, 0, 0, 0)
    }
}

fn within<'a>(name: &'static str, ids: impl IntoIterator<Item = &'a u32>, vocab: usize) -> Result<(), Error> {
    match ids.into_iter().find(|&&id| id as usize >= vocab) {
        Some(&id) => Err(Error::Token { name, id, vocab }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let base = Sampling::default();
        let dry = |dry| Sampling { dry, ..base.clone() };
        let mirostat = |mirostat| Sampling { mirostat, temperature: 1.0, ..base.clone() };
        let (d, m) = (Dry::default(), Mirostat::default());
        for (sampling, name) in [
            (Sampling { temperature: -1.0, ..base.clone() }, "temperature"),
            (Sampling { temperature: f32::NAN, ..base.clone() }, "temperature"),
            (Sampling { top_n_sigma: -1.0, ..base.clone() }, "top-n-sigma"),
            (Sampling { top_h: 2.0, ..base.clone() }, "top-h"),
            (Sampling { top_p: 0.0, ..base.clone() }, "top-p"),
            (Sampling { min_p: 1.5, ..base.clone() }, "min-p"),
            (Sampling { typical_p: 0.0, ..base.clone() }, "typical-p"),
            (Sampling { epsilon_cutoff: 1.0, ..base.clone() }, "epsilon-cutoff"),
            (Sampling { eta_cutoff: -0.1, ..base.clone() }, "eta-cutoff"),
            (Sampling { repetition_penalty: 0.0, ..base.clone() }, "repeat-penalty"),
            (Sampling { prompt_bonus: 0.0, ..base.clone() }, "encoder_repetition_penalty"),
            (Sampling { frequency_penalty: f32::NAN, ..base.clone() }, "frequency-penalty"),
            (Sampling { presence_penalty: f32::INFINITY, ..base.clone() }, "presence-penalty"),
            (dry(Dry { multiplier: -1.0, ..d.clone() }), "dry-multiplier"),
            (dry(Dry { base: 0.5, ..d }), "dry-base"),
            (Sampling { xtc: Xtc { probability: 1.5, threshold: 0.1 }, ..base.clone() }, "xtc-probability"),
            (Sampling { xtc: Xtc { probability: 0.5, threshold: -0.1 }, ..base.clone() }, "xtc-threshold"),
            (mirostat(Mirostat { version: 3, ..m }), "mirostat"),
            (mirostat(Mirostat { tau: 0.0, ..m }), "mirostat-tau"),
            (mirostat(Mirostat { eta: 2.0, ..m }), "mirostat-eta"),
            (Sampling { decay: Some((1, 0.0)), ..base.clone() }, "exponential_decay_length_penalty"),
            (Sampling { length_penalty: 9.0, ..base.clone() }, "length-penalty"),
            (Sampling { beams: 0, ..base.clone() }, "beams"),
            (Sampling { samples: 65, ..base.clone() }, "samples"),
            (Sampling { logprobs: Some(101), ..base.clone() }, "logprobs"),
            (Sampling { lookup: 32, ..base.clone() }, "prompt-lookup"),
            (Sampling { sequence_bias: vec![(vec![1], f32::NAN)], ..base.clone() }, "logit-bias"),
        ] {
            assert!(matches!(sampling.check(), Err(Error::Sampling { name: n, .. }) if n == name), "{name}");
        }
        assert!(base.check().is_ok() && base.is_plain_greedy());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let base = Sampling::default();
        let mirostat = Mirostat { version: 2, ..Mirostat::default() };
        for (sampling, says) in [
            (Sampling { samples: 2, ..base.clone() }, "several samples of the likeliest"),
            (Sampling { samples: 3, beams: 2, ..base.clone() }, "more samples than beams"),
            (Sampling { mirostat, ..base.clone() }, "a temperature above 0"),
            (Sampling { mirostat, temperature: 1.0, beams: 2, ..base.clone() }, "cannot steer beams"),
            (Sampling { mirostat, temperature: 1.0, top_k: 5, ..base.clone() }, "its own cut"),
        ] {
            let error = sampling.check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(Sampling { mirostat, temperature: 1.0, ..base.clone() }.check().is_ok());
        assert!(Sampling { samples: 2, beams: 2, ..base }.check().is_ok());
    }

    #[test]
    fn tokens_that_the_model_lacks_are_refused() {
        let base = Sampling::default();
        for (sampling, says) in [
            (Sampling { bad_words: vec![vec![1, 9]], ..base.clone() }, "bad-word names token 9"),
            (Sampling { bad_words: vec![vec![]], ..base.clone() }, "bad-word"),
            (Sampling { sequence_bias: vec![(vec![8], 1.0)], ..base.clone() }, "logit-bias names token 8"),
            (Sampling { forced_bos: Some(8), ..base.clone() }, "forced_bos_token_id"),
            (Sampling { forced_eos: vec![8], ..base.clone() }, "forced_eos_token_id"),
        ] {
            let error = sampling.check_tokens(8).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        // As in transformers, tokens that cannot come may be suppressed.
        assert!(Sampling { suppress: vec![8], ..base }.check_tokens(8).is_ok());
    }

    #[test]
    fn what_changes_logits_is_not_plain_greedy() {
        let base = Sampling::default();
        for sampling in [
            Sampling { temperature: 1.0, ..base.clone() },
            Sampling { logprobs: Some(0), ..base.clone() },
            Sampling { min_tokens: 1, ..base.clone() },
            Sampling { frequency_penalty: 0.1, ..base.clone() },
            Sampling { dry: Dry { multiplier: 1.0, ..Dry::default() }, ..base.clone() },
            Sampling { begin_suppress: vec![1], ..base.clone() },
        ] {
            assert!(!sampling.is_plain_greedy());
        }
        // Filters of drawn tokens do nothing where none is drawn.
        assert!(Sampling { top_p: 0.5, ..base }.is_plain_greedy());
    }
}
