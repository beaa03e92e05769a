//! How `smolvlm run` is told to choose tokens: the checkpoint's own settings, and the flags over them.

use super::grammar::GrammarArgs;
use crate::error::Error;
use clap::ValueEnum;
use smolvlm_engine::decoding::{Dry, EarlyStopping, Mirostat, Xtc};
use smolvlm_engine::{Defaults, Engine, Grammar, Sampling};
use std::sync::Arc;

/// The most tokens of an answer where neither the call nor the model says.
const MAX_TOKENS: usize = 500;

/// How tokens are chosen. Where neither these nor the model's generation_config.json says, the likeliest is taken.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Decoding (docs/decoding.md says in which order these act)")]
pub(crate) struct DecodingArgs {
    /// The most tokens of the answer [default: 500, or what the model asks for]
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    max_tokens: Option<usize>,
    /// Settings to begin from, in the place of the model's own; other flags go over them
    #[arg(long, value_name = "NAME", value_enum)]
    preset: Option<Preset>,
    /// Text that ends the answer and is not part of it; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// The least tokens of the answer before it may end
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    min_tokens: Option<usize>,
    /// Draw tokens at this temperature; 0 always takes the likeliest [default: 0, or 1 if a filter or a seed is given]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temp: Option<f32>,
    /// Draw among the K likeliest; 0 for all
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<u32>,
    /// Draw among the likeliest that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Draw among those at least this part as likely as the likeliest
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f32>,
    /// Draw among those whose surprise is nearest to the expected one, up to this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    typical_p: Option<f32>,
    /// Draw among the likeliest whose entropy is within this part of the whole
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    top_h: Option<f32>,
    /// Draw among those whose logits are within so many standard deviations of the largest
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    top_n_sigma: Option<f32>,
    /// Draw among those at least this probable
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    epsilon_cutoff: Option<f32>,
    /// Draw among those at least this probable, or fewer where the model is sure
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    eta_cutoff: Option<f32>,
    /// How often the likeliest are left out for the least likely token above --xtc-threshold
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    xtc_probability: Option<f32>,
    /// The probability from which --xtc-probability leaves tokens out [default: 0.1]
    #[arg(long, value_name = "P", requires = "xtc_probability", allow_negative_numbers = true)]
    xtc_threshold: Option<f32>,
    /// Keep the surprise of drawn tokens near a target, by Mirostat's version 1 or 2; no other filter can be on
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    mirostat: Option<u8>,
    /// The surprise that --mirostat aims at, in bits [default: 5]
    #[arg(long, value_name = "BITS", requires = "mirostat", allow_negative_numbers = true)]
    mirostat_tau: Option<f32>,
    /// How fast --mirostat follows [default: 0.1]
    #[arg(long, value_name = "RATE", requires = "mirostat", allow_negative_numbers = true)]
    mirostat_eta: Option<f32>,
    /// Divide the positive logits of tokens that stand in the text already by this, multiply the negative [default: 1]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    repeat_penalty: Option<f32>,
    /// Take this off a logit for every time that the answer has the token
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    frequency_penalty: Option<f32>,
    /// Take this off the logits of tokens that the answer has
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    presence_penalty: Option<f32>,
    /// Take this, times a power of the length, off the logit that would go on with a repetition (DRY)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    dry_multiplier: Option<f32>,
    /// What the DRY penalty grows by with each repeated token [default: 1.75]
    #[arg(long, value_name = "X", requires = "dry_multiplier", allow_negative_numbers = true)]
    dry_base: Option<f32>,
    /// The length of the shortest repetition that DRY penalises [default: 2]
    #[arg(long, value_name = "N", requires = "dry_multiplier", allow_negative_numbers = true)]
    dry_allowed_length: Option<usize>,
    /// Text across which DRY compares nothing; may be repeated; none for no such text [default: newline, colon, quote, *]
    #[arg(long, value_name = "TEXT", requires = "dry_multiplier", allow_hyphen_values = true)]
    dry_breaker: Vec<String>,
    /// No sequence of N tokens comes twice
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    no_repeat_ngram: Option<usize>,
    /// A word or text that must not come, at a word's beginning or within one; may be repeated
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    bad_word: Vec<String>,
    /// Add BIAS to a token's logit; the token as text or as its number; may be repeated
    #[arg(long, value_name = "TOKEN=BIAS", allow_hyphen_values = true)]
    logit_bias: Vec<String>,
    /// Search with N beams; the answer then comes at its end
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    beams: Option<usize>,
    /// A beam's score is its log-probability over its length to this power: above 0 is for long answers [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    length_penalty: Option<f32>,
    /// When a search ends [default: false]
    #[arg(long, value_name = "WHEN", value_enum)]
    early_stopping: Option<Ending>,
    /// Answer N times: as many draws, or the best N of a search
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    samples: Option<usize>,
    /// With --json or --batch: the log-probability of each token, and of the N likeliest in its place
    #[arg(long, value_name = "N", requires = "programs", allow_negative_numbers = true)]
    logprobs: Option<usize>,
    /// Guess up to N tokens at a time from what the text has said before, the same answer sooner; 0 guesses none
    /// [default: 7]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    prompt_lookup: Option<usize>,
    /// Where the draws begin: the same number draws the same tokens [default: another each time]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(super) form: GrammarArgs,
}

/// `--early-stopping`
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ending {
    /// as soon as as many answers have ended as there are beams
    True,
    /// when no beam is better than the worst of these, at its present length
    False,
    /// when none could become better at any length
    Never,
}

/// What was chosen of the flags and the model's own settings.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) sampling: Sampling,
    pub(crate) max_tokens: usize,
    pub(crate) stop: Vec<String>,
    pub(crate) grammar: Option<Arc<Grammar>>,
}

impl DecodingArgs {
    /// The flags that others need beside them, as far as they are given, by the names of their fields.
    pub(super) fn needed(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("xtc_probability", self.xtc_probability.map(|x| x.to_string())),
            ("mirostat", self.mirostat.map(|x| x.to_string())),
            ("dry_multiplier", self.dry_multiplier.map(|x| x.to_string())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Looks for mistakes that need no model to be seen.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(word) = self.bad_word.iter().chain(&self.dry_breaker).find(|word| word.is_empty()) {
            return Error::usage(format!("'{word}' has no token: --bad-word and --dry-breaker need some text"));
        }
        if self.stop.iter().any(String::is_empty) {
            return Error::usage("--stop '' would end no answer: it needs some text");
        }
        for word in &self.logit_bias {
            bias(word)?;
        }
        self.over(Defaults::default()).map(|_| ())
    }

    /// The flags over what the model asks for.
    pub(crate) fn choose(&self, engine: &Engine, defaults: Defaults) -> Result<Chosen, Error> {
        let mut chosen = self.over(defaults)?;
        let sampling = &mut chosen.sampling;
        if sampling.beams == 1 && (self.length_penalty.is_some() || self.early_stopping.is_some()) {
            return Error::usage("--length-penalty and --early-stopping are of a search: they need --beams N above 1");
        }
        if sampling.beams > 1 && self.form.form().is_some() {
            return Error::usage("a grammar binds one answer: --beams cannot search with it");
        }
        chosen.grammar = self.form.form().map(|form| engine.grammar(&form)).transpose()?;
        for word in &self.bad_word {
            sampling.bad_words.extend(engine.spellings(word)?);
        }
        for word in &self.logit_bias {
            let (token, bias) = bias(word)?;
            sampling.sequence_bias.push((vec![token_of(engine, token)?], bias));
        }
        if sampling.dry.multiplier > 0.0 {
            let given: Vec<&str> = self.dry_breaker.iter().map(String::as_str).collect();
            let breakers = if given.is_empty() { Dry::BREAKERS.to_vec() } else { given };
            for text in breakers.into_iter().filter(|text| *text != "none") {
                let tokens = engine.tokens_with(text);
                if tokens.is_empty() && !self.dry_breaker.is_empty() {
                    return Error::usage(format!("--dry-breaker: no token of this model contains {text:?}"));
                }
                sampling.dry.breakers.extend(tokens);
            }
        }
        Ok(chosen)
    }

    /// All that does not need the model's tokens.
    fn over(&self, defaults: Defaults) -> Result<Chosen, Error> {
        let defaults = self.preset.map_or(defaults, Preset::defaults);
        let Defaults { mut sampling, temperature, max_tokens, stop, .. } = defaults;
        if self.mirostat.is_some() {
            sampling.take_filters_off();
        }
        let s = &mut sampling;
        put(&mut s.min_tokens, self.min_tokens);
        put(&mut s.top_k, self.top_k.map(|k| k as usize));
        put(&mut s.top_p, self.top_p);
        put(&mut s.min_p, self.min_p);
        put(&mut s.typical_p, self.typical_p);
        put(&mut s.top_h, self.top_h);
        put(&mut s.top_n_sigma, self.top_n_sigma);
        put(&mut s.epsilon_cutoff, self.epsilon_cutoff);
        put(&mut s.eta_cutoff, self.eta_cutoff);
        put(&mut s.repetition_penalty, self.repeat_penalty);
        put(&mut s.frequency_penalty, self.frequency_penalty);
        put(&mut s.presence_penalty, self.presence_penalty);
        put(&mut s.no_repeat_ngram, self.no_repeat_ngram);
        put(&mut s.beams, self.beams);
        put(&mut s.length_penalty, self.length_penalty);
        put(&mut s.samples, self.samples);
        put(&mut s.lookup, self.prompt_lookup);
        let base = (Xtc::default(), Mirostat::default(), Dry::default());
        s.xtc = Xtc {
            probability: self.xtc_probability.unwrap_or(base.0.probability),
            threshold: self.xtc_threshold.unwrap_or(base.0.threshold),
        };
        s.mirostat = Mirostat {
            version: self.mirostat.unwrap_or(base.1.version),
            tau: self.mirostat_tau.unwrap_or(base.1.tau),
            eta: self.mirostat_eta.unwrap_or(base.1.eta),
        };
        s.dry = Dry {
            multiplier: self.dry_multiplier.unwrap_or(base.2.multiplier),
            base: self.dry_base.unwrap_or(base.2.base),
            allowed_length: self.dry_allowed_length.unwrap_or(base.2.allowed_length),
            breakers: Vec::new(),
        };
        s.early_stopping = match self.early_stopping {
            Some(Ending::True) => EarlyStopping::Yes,
            Some(Ending::False) => EarlyStopping::No,
            Some(Ending::Never) => EarlyStopping::Never,
            None => s.early_stopping,
        };
        s.logprobs = self.logprobs;
        s.seed = self.seed.unwrap_or_else(super::fresh_seed);
        let several = s.samples > 1 && s.beams == 1;
        s.temperature = self.temperature(s.temperature, temperature, several)?;
        if self.max_tokens.is_some() {
            s.max_length = 0;
        }
        s.check().map_err(|e| Error::Usage(e.to_string()))?;
        let stop = if self.stop.is_empty() { stop } else { self.stop.clone() };
        let max_tokens = self.max_tokens.or(max_tokens).unwrap_or(MAX_TOKENS);
        if self.min_tokens.is_some_and(|least| least > max_tokens) {
            return Error::usage(format!(
                "--min-tokens is more than the {max_tokens} that an answer may have: -n says how many"
            ));
        }
        Ok(Chosen { sampling, max_tokens, stop, grammar: None })
    }

    /// The temperature: as given, or the model's; or, where a flag asks for draws that the model does not, `drawn`.
    fn temperature(&self, models: f32, drawn: f32, several: bool) -> Result<f32, Error> {
        let filters = [
            self.top_p,
            self.min_p,
            self.typical_p,
            self.top_h,
            self.top_n_sigma,
            self.epsilon_cutoff,
            self.eta_cutoff,
            self.xtc_probability,
        ];
        let filtered =
            filters.iter().any(Option::is_some) || self.top_k.is_some_and(|k| k > 0) || self.mirostat.is_some();
        if self.temp == Some(0.0) && (filtered || self.seed.is_some()) {
            return Error::usage(
                "--temp 0 takes the likeliest token: --top-k, --top-p, --min-p, --seed and all others that draw do nothing",
            );
        }
        let draws = filtered || self.seed.is_some() || several;
        Ok(self.temp.unwrap_or(if draws && models == 0.0 { drawn } else { models }))
    }
}

/// `--preset`
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// as the first SmolVLM's script for clips: five beams, drawn at a temperature of 0.7 among 50, at most 100 tokens
    VideoV1,
}

impl Preset {
    fn defaults(self) -> Defaults {
        match self {
            // 50 is what transformers takes where tokens are drawn and nothing is said.
            Preset::VideoV1 => Defaults {
                sampling: Sampling { beams: 5, temperature: 0.7, top_k: 50, ..Sampling::default() },
                temperature: 0.7,
                max_tokens: Some(100),
                ..Defaults::default()
            },
        }
    }
}

fn put<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// A token, as it was written, and its bias.
fn bias(word: &str) -> Result<(&str, f32), Error> {
    let parts = word.rsplit_once('=').filter(|(token, _)| !token.is_empty());
    match parts.map(|(token, bias)| (token, bias.parse::<f32>())) {
        Some((token, Ok(bias))) if bias.is_finite() => Ok((token, bias)),
        _ => Error::usage(format!("--logit-bias {word}: TOKEN=BIAS would be right, as in yes=2.5 or 42=-1")),
    }
}

/// A token by its number or its text.
fn token_of(engine: &Engine, token: &str) -> Result<u32, Error> {
    if let Ok(id) = token.parse() {
        return Ok(id);
    }
    match engine.spellings(token)?.first().map(Vec::as_slice) {
        Some([id]) => Ok(*id),
        other => Error::usage(format!(
            "--logit-bias: {token:?} is {} tokens, but a bias is of one",
            other.map_or(0, <[u32]>::len)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        decoding: DecodingArgs,
        #[arg(long, group = "programs")]
        json: bool,
    }

    fn over(words: &[&str], defaults: Defaults) -> Result<Chosen, Error> {
        let words = Words::try_parse_from([&["x"], words].concat()).map_err(|e| Error::arguments(&e))?;
        words.decoding.check()?;
        words.decoding.over(defaults)
    }

    fn of(words: &[&str]) -> Sampling {
        over(words, Defaults::default()).unwrap().sampling
    }

    #[test]
    fn a_preset_stands_in_the_models_place() {
        let models = Defaults { sampling: Sampling { top_p: 0.5, ..Sampling::default() }, ..Defaults::default() };
        let preset = Some(Preset::VideoV1);
        let chosen = DecodingArgs { preset, seed: Some(3), ..DecodingArgs::default() }.over(models.clone()).unwrap();
        let Sampling { beams, temperature, top_k, top_p, .. } = chosen.sampling;
        assert_eq!((beams, temperature, top_k, top_p, chosen.max_tokens), (5, 0.7, 50, 1.0, 100));
        let over = DecodingArgs { preset, beams: Some(1), max_tokens: Some(7), ..DecodingArgs::default() };
        let over = over.over(models).unwrap();
        assert_eq!((over.sampling.beams, over.sampling.temperature, over.max_tokens), (1, 0.7, 7));
    }

    #[test]
    fn every_flag_finds_its_place() {
        let base = Sampling { seed: 3, temperature: 1.0, ..Sampling::default() };
        for (words, want) in [
            (vec![], base.clone()),
            (vec!["--temp", "0.5"], Sampling { temperature: 0.5, ..base.clone() }),
            (vec!["--top-k", "5"], Sampling { top_k: 5, ..base.clone() }),
            (vec!["--top-p", "0.5"], Sampling { top_p: 0.5, ..base.clone() }),
            (vec!["--min-p", "0.5"], Sampling { min_p: 0.5, ..base.clone() }),
            (vec!["--typical-p", "0.5"], Sampling { typical_p: 0.5, ..base.clone() }),
            (vec!["--top-h", "0.5"], Sampling { top_h: 0.5, ..base.clone() }),
            (vec!["--top-n-sigma", "2"], Sampling { top_n_sigma: 2.0, ..base.clone() }),
            (vec!["--epsilon-cutoff", "0.1"], Sampling { epsilon_cutoff: 0.1, ..base.clone() }),
            (vec!["--eta-cutoff", "0.1"], Sampling { eta_cutoff: 0.1, ..base.clone() }),
            (vec!["--repeat-penalty", "1.5"], Sampling { repetition_penalty: 1.5, ..base.clone() }),
            (vec!["--frequency-penalty", "-1"], Sampling { frequency_penalty: -1.0, ..base.clone() }),
            (vec!["--presence-penalty", "0.5"], Sampling { presence_penalty: 0.5, ..base.clone() }),
            (vec!["--no-repeat-ngram", "3"], Sampling { no_repeat_ngram: 3, ..base.clone() }),
            (vec!["--min-tokens", "4"], Sampling { min_tokens: 4, ..base.clone() }),
            (vec!["--prompt-lookup", "4"], Sampling { lookup: 4, ..base.clone() }),
            (vec!["--samples", "4"], Sampling { samples: 4, ..base.clone() }),
            (vec!["--json", "--logprobs", "4"], Sampling { logprobs: Some(4), ..base.clone() }),
            (
                vec!["--xtc-probability", "0.5", "--xtc-threshold", "0.2"],
                Sampling { xtc: Xtc { probability: 0.5, threshold: 0.2 }, ..base.clone() },
            ),
            (
                vec!["--mirostat", "2", "--mirostat-tau", "4", "--mirostat-eta", "0.2"],
                Sampling { mirostat: Mirostat { version: 2, tau: 4.0, eta: 0.2 }, ..base.clone() },
            ),
            (
                vec!["--dry-multiplier", "0.8", "--dry-base", "2", "--dry-allowed-length", "3"],
                Sampling {
                    dry: Dry { multiplier: 0.8, base: 2.0, allowed_length: 3, breakers: Vec::new() },
                    ..base.clone()
                },
            ),
            (
                vec!["--beams", "3", "--length-penalty", "-1", "--early-stopping", "never"],
                Sampling { beams: 3, length_penalty: -1.0, early_stopping: EarlyStopping::Never, ..base.clone() },
            ),
        ] {
            assert_eq!(of(&[&["--seed", "3"], words.as_slice()].concat()), want, "{words:?}");
        }
    }

    #[test]
    fn tokens_are_drawn_where_a_flag_asks_for_it() {
        for words in [&["--top-k", "5"][..], &["--seed", "1"], &["--mirostat", "1"], &["--samples", "2"]] {
            assert_eq!(of(words).temperature, 1.0, "{words:?}");
        }
        for words in [&[][..], &["--repeat-penalty", "1.5"], &["--beams", "2"], &["--beams", "2", "--samples", "2"]] {
            assert_eq!(of(words).temperature, 0.0, "{words:?}");
        }
    }

    #[test]
    fn flags_go_over_what_the_model_asks_for() {
        let sampling = Sampling { top_k: 50, top_p: 0.9, beams: 4, max_length: 90, ..Sampling::default() };
        let models = Defaults { sampling, temperature: 0.6, max_tokens: Some(70), ..Defaults::default() };
        let drawing = Defaults { sampling: Sampling { temperature: 0.6, ..models.sampling.clone() }, ..models.clone() };
        let got = |words: &[&str], defaults: &Defaults| over(words, defaults.clone()).unwrap();
        let plain = got(&[], &models);
        assert_eq!((plain.max_tokens, plain.sampling.max_length, plain.sampling.temperature), (70, 90, 0.0));
        let own = got(&["-n", "5", "--top-p", "0.5", "--beams", "1"], &models);
        let s = own.sampling;
        assert_eq!((own.max_tokens, s.max_length, s.top_k, s.top_p, s.beams), (5, 0, 50, 0.5, 1));
        assert_eq!(s.temperature, 0.6);
        assert_eq!(got(&[], &drawing).sampling.temperature, 0.6);
        assert_eq!(got(&["--temp", "0"], &drawing).sampling.temperature, 0.0);
        // Mirostat takes the place of the model's filters.
        let mirostat = got(&["--mirostat", "2", "--beams", "1"], &models).sampling;
        assert!(!mirostat.has_filters() && mirostat.mirostat.version == 2);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (words, says) in [
            (&["--temp", "0", "--min-p", "0.1"][..], "--temp 0 takes the likeliest"),
            (&["--temp", "0", "--mirostat", "2"], "--temp 0 takes the likeliest"),
            (&["--temp", "0", "--samples", "2"], "several samples of the likeliest"),
            (&["--mirostat", "2", "--top-k", "5"], "its own cut"),
            (&["--mirostat", "3"], "3 is not in 1..=2"),
            (&["--mirostat-tau", "3"], "--mirostat"),
            (&["--dry-base", "2"], "--dry-multiplier"),
            (&["--xtc-threshold", "0.2"], "--xtc-probability"),
            (&["--beams", "2", "--samples", "3"], "more samples than beams"),
            (&["--beams", "0"], "beams is 0; it must be 1 to 64"),
            (&["--logprobs", "2"], "--json"),
            (&["--logit-bias", "yes"], "TOKEN=BIAS would be right"),
            (&["--logit-bias", "=2"], "TOKEN=BIAS would be right"),
            (&["--logit-bias", "a=nan"], "TOKEN=BIAS would be right"),
            (&["--bad-word", ""], "need some text"),
        ] {
            let error = over(words, Defaults::default()).unwrap_err().to_string();
            assert!(error.contains(says), "{words:?}: {error}");
        }
    }

    #[test]
    fn biases_are_read() {
        assert_eq!(bias("a=b=-2.5").unwrap(), ("a=b", -2.5));
        assert_eq!(bias("42=1").unwrap(), ("42", 1.0));
    }
}
