//! What a checkpoint's `generation_config.json` asks for: every key of transformers 5.24's `GenerationConfig` is honoured,
//! known to be without effect here, or refused with a reason. Other keys are noted and passed over.

use super::settings::{EarlyStopping, MOST_GUESSED, Sampling};
use crate::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smolvlm_model::GenerationConfig;

/// Keys of caches, of what Python's `generate` returns, of padding and compiling, and of records: no answer depends on them.
pub(super) const WITHOUT_EFFECT: [&str; 28] = [
    "use_cache",
    "cache_implementation",
    "cache_config",
    "max_cache_len",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
    "pad_token_id",
    "bos_token_id",
    "decoder_start_token_id",
    // Of an assistant model, which the call would name.
    "is_assistant",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "assistant_confidence_threshold",
    "max_matching_ngram_size",
    "assistant_lookbehind",
    "target_lookbehind",
    "assistant_ensemble_weight",
    "compile_config",
    "disable_compile",
    "continuous_batching_config",
    "low_memory",
    "prefill_chunk_size",
    "_commit_hash",
    "_from_model_config",
    "transformers_version",
];

/// Keys that change answers in a way that is not done here, the values with which they do not, and why.
pub(super) const REFUSED: [(&str, &[f64], &str); 13] = [
    ("max_time", &[], "an answer must not depend on a clock; max_new_tokens limits it"),
    ("use_mtp", &[], "several tokens at a time need layers that this network does not have"),
    ("token_healing", &[], "the prompt's last token is not taken back"),
    ("guidance_scale", &[1.0], "there is no guidance by a second prompt"),
    ("watermarking_config", &[], "answers are not watermarked"),
    ("assistant_early_exit", &[], "no second model guesses tokens"),
    ("speculation_type", &[], "no second model guesses tokens"),
    ("penalty_alpha", &[0.0], "there is no contrastive search"),
    ("dola_layers", &[], "layers are not contrasted (DoLa)"),
    ("diversity_penalty", &[0.0], "beams are not searched in groups"),
    ("num_beam_groups", &[1.0], "beams are not searched in groups"),
    ("constraints", &[], "there is no constrained search"),
    ("force_words_ids", &[], "there is no constrained search"),
];

/// What a checkpoint asks for where its user does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The temperature if tokens are drawn, whether the file has them drawn or not.
    pub temperature: f32,
    /// The most tokens of an answer.
    pub max_tokens: Option<usize>,
    /// Strings that end an answer.
    pub stop: Vec<String>,
    /// What of the file was passed over: a line each.
    pub notes: Vec<String>,
}

impl Default for Defaults {
    fn default() -> Defaults {
        let sampling = Sampling::default();
        Defaults { sampling, temperature: 1.0, max_tokens: None, stop: Vec::new(), notes: Vec::new() }
    }
}

impl Defaults {
    /// Of these settings.
    ///
    /// # Errors
    /// Where a key has a value that it cannot have, or asks for what is not done here.
    pub fn of(config: &GenerationConfig) -> Result<Defaults, Error> {
        let (mut defaults, mut drawn, mut top_k) = (Defaults::default(), false, None);
        for (key, value) in config.settings.iter().filter(|(_, value)| !value.is_null()) {
            let entry = Entry { key, value };
            match key.as_str() {
                "do_sample" => drawn = entry.truth()?,
                "top_k" => top_k = Some(entry.count()?),
                "temperature" => defaults.temperature = entry.number()?,
                "max_new_tokens" => defaults.max_tokens = Some(entry.count()?),
                "stop_strings" => defaults.stop = entry.strings()?,
                "eos_token_id" => {} // the engine's stops
                _ if entry.choose(&mut defaults.sampling)? => {}
                _ if WITHOUT_EFFECT.contains(&key.as_str()) => {}
                _ => match REFUSED.iter().find(|(name, ..)| name == key) {
                    Some((_, neutral, why)) => entry.refuse(neutral, why)?,
                    None => defaults.notes.push(format!("generation_config.json: unknown key '{key}' is passed over")),
                },
            }
        }
        // What transformers takes where a file has tokens drawn and does not say how many are left.
        defaults.sampling.top_k = top_k.unwrap_or(if drawn { 50 } else { 0 });
        defaults.sampling.temperature = if drawn { defaults.temperature } else { 0.0 };
        if defaults.max_tokens.is_some() {
            defaults.sampling.max_length = 0;
        }
        let samples = defaults.sampling.samples;
        if samples > 1 && defaults.sampling.beams == 1 && !drawn {
            let what = format!(
                "{samples} answers of the likeliest tokens would be alike; do_sample or beams beside it would be right"
            );
            return Err(Error::Generation { key: "num_return_sequences".into(), what });
        }
        Ok(defaults)
    }
}

/// A key and what it is set to.
struct Entry<'a> {
    key: &'a str,
    value: &'a Value,
}

impl Entry<'_> {
    /// Puts it in its place; false where it has none.
    fn choose(&self, sampling: &mut Sampling) -> Result<bool, Error> {
        let s = sampling;
        match self.key {
            "max_length" => s.max_length = self.count()?,
            "min_length" => s.min_length = self.count()?,
            "min_new_tokens" => s.min_tokens = self.count()?,
            "early_stopping" => s.early_stopping = self.early_stopping()?,
            "num_beams" => s.beams = self.count()?,
            "num_return_sequences" => s.samples = self.count()?,
            "top_p" => s.top_p = self.number()?,
            "min_p" => s.min_p = self.number()?,
            "top_h" => s.top_h = self.number()?,
            "typical_p" => s.typical_p = self.number()?,
            "epsilon_cutoff" => s.epsilon_cutoff = self.number()?,
            "eta_cutoff" => s.eta_cutoff = self.number()?,
            "repetition_penalty" => s.repetition_penalty = self.number()?,
            "encoder_repetition_penalty" => s.prompt_bonus = self.number()?,
            "length_penalty" => s.length_penalty = self.number()?,
            "no_repeat_ngram_size" => s.no_repeat_ngram = self.count()?,
            "encoder_no_repeat_ngram_size" => s.no_prompt_ngram = self.count()?,
            "bad_words_ids" => s.bad_words = self.read("lists of token ids")?,
            "renormalize_logits" => s.renormalize = self.truth()?,
            "forced_bos_token_id" => s.forced_bos = Some(self.read("a token id")?),
            "forced_eos_token_id" => s.forced_eos = self.ids()?,
            "remove_invalid_values" => s.remove_invalid = self.truth()?,
            "exponential_decay_length_penalty" => s.decay = Some(self.read("[tokens, factor]")?),
            "suppress_tokens" => s.suppress = self.ids()?,
            "begin_suppress_tokens" => s.begin_suppress = self.ids()?,
            "prompt_lookup_num_tokens" => s.lookup = self.count()?.min(MOST_GUESSED),
            "sequence_bias" => s.sequence_bias = self.read("a list of [token ids, bias]")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The value, read as what is described.
    fn read<T: DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        T::deserialize(self.value).map_err(|_| self.wrong(format!("{} is not {what}", self.value)))
    }

    fn number(&self) -> Result<f32, Error> {
        self.read("a number")
    }

    fn count(&self) -> Result<usize, Error> {
        self.read("a number of 0 or more")
    }

    fn truth(&self) -> Result<bool, Error> {
        self.read("true or false")
    }

    /// A token id or several.
    fn ids(&self) -> Result<Vec<u32>, Error> {
        let one = self.value.as_u64().and_then(|id| u32::try_from(id).ok());
        one.map_or_else(|| self.read("a token id or a list of them"), |id| Ok(vec![id]))
    }

    /// A string or several.
    fn strings(&self) -> Result<Vec<String>, Error> {
        let one = self.value.as_str().map(str::to_owned);
        one.map_or_else(|| self.read("a string or a list of them"), |text| Ok(vec![text]))
    }

    fn early_stopping(&self) -> Result<EarlyStopping, Error> {
        match self.value {
            Value::Bool(true) => Ok(EarlyStopping::Yes),
            Value::Bool(false) => Ok(EarlyStopping::No),
            Value::String(word) if word == "never" => Ok(EarlyStopping::Never),
            other => Err(self.wrong(format!("{other} is not true, false or \"never\""))),
        }
    }

    /// Refuses any value but those that change nothing: `false` and these.
    fn refuse(&self, neutral: &[f64], why: &str) -> Result<(), Error> {
        let is_neutral = self.value.as_f64().is_some_and(|value| neutral.contains(&value));
        match is_neutral || self.value == &Value::Bool(false) {
            true => Ok(()),
            false => Err(self.wrong(format!("it is {}, but {why}; without this key the file can be used", self.value))),
        }
    }

    fn wrong(&self, what: String) -> Error {
        Error::Generation { key: self.key.into(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn of(settings: Value) -> Result<Defaults, Error> {
        let Value::Object(settings) = settings else { panic!("{settings}") };
        Defaults::of(&GenerationConfig { eos: Vec::new(), settings })
    }

    #[test]
    fn published_files_ask_for_nothing() {
        let published = json!({
            "_from_model_config": true, "bos_token_id": 1, "eos_token_id": 49279, "pad_token_id": 2,
            "transformers_version": "4.46.0", "output_attentions": false, "use_cache": true,
        });
        assert_eq!(of(published).unwrap(), Defaults::default());
    }

    #[test]
    fn several_answers_are_drawn_or_searched_for() {
        let error = of(json!({"num_return_sequences": 2})).unwrap_err().to_string();
        assert!(error.contains("num_return_sequences") && error.contains("do_sample"), "{error}");
        assert!(of(json!({"num_return_sequences": 2, "do_sample": true})).is_ok());
        assert!(of(json!({"num_return_sequences": 2, "num_beams": 3})).is_ok());
    }

    #[test]
    fn every_honoured_key_finds_its_place() {
        let got = of(json!({
            "max_new_tokens": 7, "min_length": 3, "min_new_tokens": 2, "early_stopping": "never", "stop_strings": "END",
            "do_sample": true, "num_beams": 4, "temperature": 0.7, "top_k": 9, "top_p": 0.9, "min_p": 0.1, "top_h": 0.4,
            "typical_p": 0.8, "epsilon_cutoff": 0.01, "eta_cutoff": 0.02, "repetition_penalty": 1.2,
            "encoder_repetition_penalty": 1.1, "length_penalty": -1.0, "no_repeat_ngram_size": 3,
            "encoder_no_repeat_ngram_size": 4, "bad_words_ids": [[5], [6, 7]], "renormalize_logits": true,
            "forced_bos_token_id": 8, "forced_eos_token_id": [9], "remove_invalid_values": true,
            "exponential_decay_length_penalty": [10, 1.01], "suppress_tokens": [11], "begin_suppress_tokens": [12],
            "sequence_bias": [[[13], -1.5]], "num_return_sequences": 2, "eos_token_id": [1, 2], "max_length": 99,
            "prompt_lookup_num_tokens": 5,
        }))
        .unwrap();
        let sampling = Sampling {
            min_length: 3,
            min_tokens: 2,
            early_stopping: EarlyStopping::Never,
            beams: 4,
            temperature: 0.7,
            top_k: 9,
            top_p: 0.9,
            min_p: 0.1,
            top_h: 0.4,
            typical_p: 0.8,
            epsilon_cutoff: 0.01,
            eta_cutoff: 0.02,
            repetition_penalty: 1.2,
            prompt_bonus: 1.1,
            length_penalty: -1.0,
            no_repeat_ngram: 3,
            lookup: 5,
            no_prompt_ngram: 4,
            bad_words: vec![vec![5], vec![6, 7]],
            renormalize: true,
            forced_bos: Some(8),
            forced_eos: vec![9],
            remove_invalid: true,
            decay: Some((10, 1.01)),
            suppress: vec![11],
            begin_suppress: vec![12],
            sequence_bias: vec![(vec![13], -1.5)],
            samples: 2,
            ..Sampling::default()
        };
        let stop = vec!["END".to_string()];
        assert_eq!(got, Defaults { sampling, temperature: 0.7, max_tokens: Some(7), stop, notes: Vec::new() });
    }

    #[test]
    fn a_file_that_has_nothing_drawn_stays_greedy() {
        for settings in [json!({"temperature": 0.2, "top_p": 0.9}), json!({"do_sample": false, "temperature": 0.2})] {
            let got = of(settings).unwrap();
            assert!(got.sampling.is_plain_greedy());
            assert_eq!(got.temperature, 0.2);
        }
        let drawn = of(json!({"do_sample": true})).unwrap().sampling;
        assert_eq!((drawn.temperature, drawn.top_k), (1.0, 50));
    }

    #[test]
    fn lengths_of_the_whole_yield_to_those_of_the_answer() {
        assert_eq!(of(json!({"max_length": 30})).unwrap().sampling.max_length, 30);
        assert_eq!(of(json!({"max_length": 30, "max_new_tokens": 4})).unwrap().sampling.max_length, 0);
    }

    #[test]
    fn what_is_not_done_is_refused_with_its_name_and_reason() {
        let values = json!({
            "max_time": 1.5, "use_mtp": true, "token_healing": true, "guidance_scale": 1.5, "watermarking_config": {},
            "assistant_early_exit": 4, "speculation_type": "dflash", "penalty_alpha": 0.6,
            "dola_layers": "high", "diversity_penalty": 0.5, "num_beam_groups": 2, "constraints": [],
            "force_words_ids": [[1]],
        });
        for (key, neutral, why) in REFUSED {
            let error = of(json!({ key: values[key] })).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(why), "{error}");
            for value in neutral.iter().map(|value| json!(value)).chain([json!(false), json!(null)]) {
                assert_eq!(of(json!({ key: value })).unwrap(), Defaults::default(), "{key}");
            }
        }
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (settings, says) in [
            (json!({"top_k": -1}), "top_k: -1 is not a number of 0 or more"),
            (json!({"temperature": "warm"}), "temperature: \"warm\" is not a number"),
            (json!({"do_sample": 1}), "do_sample: 1 is not true or false"),
            (json!({"early_stopping": "soon"}), "early_stopping"),
            (json!({"bad_words_ids": [5]}), "bad_words_ids"),
            (json!({"suppress_tokens": "a"}), "suppress_tokens"),
            (json!({"stop_strings": 5}), "stop_strings"),
        ] {
            let error = of(settings).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn unknown_keys_are_noted() {
        let got = of(json!({"repetition_penalti": 1.5})).unwrap();
        assert_eq!(got.notes, ["generation_config.json: unknown key 'repetition_penalti' is passed over"]);
        assert_eq!(got.sampling, Sampling::default());
    }

    #[test]
    fn every_key_of_the_reference_is_known() {
        let file = smolvlm_golden::repository().join("golden/decoding/keys.json");
        let keys: BTreeSet<String> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(keys.len() > 60);
        for key in keys {
            // Of any kind but that the key takes: then it is refused by its own name, not noted as unknown.
            let got = of(json!({ &key: {"no": "such value"} }));
            assert!(got.is_err() || got.unwrap().notes.is_empty(), "{key}");
        }
    }
}
