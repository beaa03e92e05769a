//! How the tokens of an answer are chosen: the fields of a request over what the model's own settings ask for.
//!
//! OpenAI's fields, and those that clients of llama.cpp and vLLM know. Where a request names no temperature the model's own
//! holds, which takes the likeliest token unless `generation_config.json` has tokens drawn; a field that only makes sense
//! with draws, or several answers, have them drawn.

use crate::error::Failure;
use crate::fields::{Fields, Refused};
use serde_json::Value;
use smolvlm_engine::decoding::{Dry, Mirostat, Xtc};
use smolvlm_engine::{Defaults, Engine, Sampling};
use std::hash::{BuildHasher, RandomState};

/// What is chosen for a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoding {
    pub(crate) sampling: Sampling,
    pub(crate) max_tokens: usize,
    pub(crate) stop: Vec<String>,
    /// Whether special tokens are shown in the answer.
    pub(crate) special: bool,
}

/// What a request may ask for at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) samples: usize,
    pub(crate) tokens: usize,
}

/// The most strings that end an answer, and the most bytes of one.
const STOPS: usize = 16;
const STOP_BYTES: usize = 1024;
/// The most tokens that a request may favour or forbid.
const BIASES: usize = 1024;
/// The most alternatives to a token that OpenAI's forms report.
pub(crate) const MOST_TOP: usize = 20;

/// Fields of llama.cpp's server that are known and not served.
pub(crate) const OF_LLAMA: [Refused; 5] = [
    ("ignore_eos", "answers end where the model ends them; min_tokens sets the least"),
    ("id_slot", "there are no slots to choose"),
    ("samplers", "samplers act in one order, which docs/decoding.md gives"),
    ("n_keep", "a prompt that does not fit is refused, not cut"),
    ("n_discard", "a prompt that does not fit is refused, not cut"),
];

impl Decoding {
    /// Of a request whose tokens are bounded by the field `tokens`.
    pub(crate) fn of(
        fields: &mut Fields<'_>,
        tokens: &[&'static str],
        engine: &Engine,
        defaults: &Defaults,
        most: Most,
    ) -> Result<Decoding, Failure> {
        let mut s = defaults.sampling.clone();
        let draws = filters(fields, &mut s)?;
        penalties(fields, &mut s, engine)?;
        let n = fields.count("n", 1, most.samples)?;
        put(&mut s.samples, n);
        let beams = fields.count("beams", 1, most.samples)?;
        put(&mut s.beams, beams);
        let penalty = fields.number("length_penalty")?;
        put(&mut s.length_penalty, penalty);
        let least = fields.count("min_tokens", 0, most.tokens)?;
        put(&mut s.min_tokens, least);
        for (token, bias) in biases(fields)? {
            s.sequence_bias.push((vec![token], bias));
        }
        let draws = draws || (s.samples > 1 && s.beams == 1);
        let temperature = fields.number("temperature")?;
        s.temperature =
            temperature.unwrap_or(if draws && s.temperature == 0.0 { defaults.temperature } else { s.temperature });
        s.seed = fields.bits("seed")?.unwrap_or_else(fresh_seed);
        let asked = fields.either(tokens, |fields, name| fields.count(name, 1, usize::MAX))?;
        if asked.is_some() {
            s.max_length = 0;
        }
        let max_tokens = asked.or(defaults.max_tokens).unwrap_or(most.tokens).min(most.tokens);
        if least.is_some_and(|least| least > max_tokens) {
            let what = format!("'min_tokens' is more than the {max_tokens} that the answer may have");
            return Err(Failure::field("min_tokens", what));
        }
        let stop = stops(fields)?.unwrap_or_else(|| defaults.stop.clone());
        let special = fields.truth("special")?.unwrap_or(false);
        s.check()?;
        Ok(Decoding { sampling: s, max_tokens, stop, special })
    }
}

/// Draws differ from request to request where none names a seed.
fn fresh_seed() -> u64 {
    RandomState::new().hash_one("seed")
}

/// What narrows the draws down; whether any of it is on.
fn filters(fields: &mut Fields<'_>, s: &mut Sampling) -> Result<bool, Failure> {
    let version = fields.count("mirostat", 0, 2)?;
    let (tau, eta) = (fields.number("mirostat_tau")?, fields.number("mirostat_eta")?);
    if version.is_some_and(|version| version > 0) {
        s.take_filters_off();
    }
    s.mirostat = Mirostat {
        version: version.unwrap_or(0) as u8,
        tau: tau.unwrap_or(Mirostat::default().tau),
        eta: eta.unwrap_or(Mirostat::default().eta),
    };
    // -1 switches it off, as vLLM has it.
    let top_k = if fields.value("top_k").and_then(Value::as_i64) == Some(-1) {
        Some(0)
    } else {
        fields.count("top_k", 0, usize::MAX)?
    };
    put(&mut s.top_k, top_k);
    let top_p = fields.number("top_p")?;
    put(&mut s.top_p, top_p);
    let min_p = fields.number("min_p")?;
    put(&mut s.min_p, min_p);
    let typical_p = fields.number("typical_p")?;
    put(&mut s.typical_p, typical_p);
    let top_h = fields.number("top_h")?;
    put(&mut s.top_h, top_h);
    let top_n_sigma = fields.number("top_n_sigma")?;
    put(&mut s.top_n_sigma, top_n_sigma);
    let epsilon = fields.number("epsilon_cutoff")?;
    put(&mut s.epsilon_cutoff, epsilon);
    let eta = fields.number("eta_cutoff")?;
    put(&mut s.eta_cutoff, eta);
    s.xtc = Xtc {
        probability: fields.number("xtc_probability")?.unwrap_or(Xtc::default().probability),
        threshold: fields.number("xtc_threshold")?.unwrap_or(Xtc::default().threshold),
    };
    let given = version.is_some_and(|version| version > 0)
        || top_k.is_some_and(|k| k > 0)
        || [top_p, typical_p].iter().flatten().any(|&x| x < 1.0)
        || [min_p, top_h, top_n_sigma, epsilon, eta, Some(s.xtc.probability)].iter().flatten().any(|&x| x > 0.0);
    Ok(given)
}

/// What works against repetitions.
fn penalties(fields: &mut Fields<'_>, s: &mut Sampling, engine: &Engine) -> Result<(), Failure> {
    put(&mut s.frequency_penalty, within(fields, "frequency_penalty", 2.0)?);
    put(&mut s.presence_penalty, within(fields, "presence_penalty", 2.0)?);
    put(&mut s.repetition_penalty, fields.either(&["repetition_penalty", "repeat_penalty"], Fields::number)?);
    put(&mut s.no_repeat_ngram, fields.count("no_repeat_ngram", 0, usize::MAX)?);
    let base = Dry::default();
    s.dry = Dry {
        multiplier: fields.number("dry_multiplier")?.unwrap_or(base.multiplier),
        base: fields.number("dry_base")?.unwrap_or(base.base),
        allowed_length: fields.count("dry_allowed_length", 0, 1 << 20)?.unwrap_or(base.allowed_length),
        breakers: Vec::new(),
    };
    let given = fields.list("dry_sequence_breakers")?;
    if s.dry.multiplier > 0.0 {
        let given = given.map(|list| texts("dry_sequence_breakers", list)).transpose()?;
        let breakers = given.unwrap_or_else(|| Dry::BREAKERS.map(str::to_owned).to_vec());
        s.dry.breakers = breakers.iter().flat_map(|text| engine.tokens_with(text)).collect();
    }
    Ok(())
}

fn put<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

/// A number from `-most` to `most`.
fn within(fields: &mut Fields<'_>, field: &'static str, most: f32) -> Result<Option<f32>, Failure> {
    match fields.number(field)? {
        Some(number) if number.abs() > most => {
            Err(Failure::field(field, format!("'{field}' is {number}; a number from -{most} to {most} would be right")))
        }
        number => Ok(number),
    }
}

/// `logit_bias`: ids of tokens, as JSON has them for names, and what is added to their logits.
fn biases(fields: &mut Fields<'_>) -> Result<Vec<(u32, f32)>, Failure> {
    let Some(table) = fields.table("logit_bias")? else { return Ok(Vec::new()) };
    let wrong = |what: String| Failure::field("logit_bias", what);
    if table.len() > BIASES {
        return Err(wrong(format!("'logit_bias' has {} tokens; at most {BIASES} are read", table.len())));
    }
    let entry = |(token, bias): (&String, &Value)| {
        let bias = bias.as_f64().filter(|bias| bias.abs() <= 100.0);
        match (token.parse(), bias) {
            (Ok(token), Some(bias)) => Ok((token, bias as f32)),
            _ => Err(wrong("'logit_bias' has an entry that is none; {\"42\": -100} would be right: ids of tokens and numbers from -100 to 100".into())),
        }
    };
    table.iter().map(entry).collect()
}

/// `stop`: a string or several.
fn stops(fields: &mut Fields<'_>) -> Result<Option<Vec<String>>, Failure> {
    match fields.value("stop") {
        None => Ok(None),
        Some(Value::String(text)) => texts("stop", &[Value::String(text.clone())]).map(Some),
        Some(Value::Array(list)) => texts("stop", list).map(Some),
        Some(_) => Err(Failure::field("stop", "'stop' is neither a string nor a list of them")),
    }
}

/// A few short strings, none empty.
fn texts(field: &str, list: &[Value]) -> Result<Vec<String>, Failure> {
    if list.len() > STOPS {
        return Err(Failure::field(field, format!("'{field}' has {} strings; at most {STOPS} are read", list.len())));
    }
    let text = |value: &Value| match value.as_str() {
        Some(text) if !text.is_empty() && text.len() <= STOP_BYTES => Ok(text.to_owned()),
        _ => Err(Failure::field(field, format!("'{field}' has an entry that is no string of 1 to {STOP_BYTES} bytes"))),
    };
    list.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::engine;
    use serde_json::json;

    fn of(request: Value, defaults: &Defaults) -> Result<Decoding, Failure> {
        let mut fields = Fields::of(&request, "")?;
        let most = Most { samples: 8, tokens: 100 };
        let decoding = Decoding::of(&mut fields, &["max_tokens", "max_completion_tokens"], &engine(), defaults, most)?;
        fields.finish()?;
        Ok(decoding)
    }

    #[test]
    fn every_field_finds_its_place() {
        let got = of(
            json!({
                "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "typical_p": 0.8, "top_h": 0.4, "top_n_sigma": 2,
                "epsilon_cutoff": 0.01, "eta_cutoff": 0.02, "xtc_probability": 0.3, "xtc_threshold": 0.2,
                "frequency_penalty": 1, "presence_penalty": -1, "repeat_penalty": 1.2, "no_repeat_ngram": 3,
                "dry_multiplier": 0.8, "dry_base": 2, "dry_allowed_length": 3, "dry_sequence_breakers": ["zzzzzz"],
                "logit_bias": {"5": -100}, "seed": 11, "n": 2, "min_tokens": 4, "max_tokens": 9, "stop": ["END", "\n"],
                "special": true, "length_penalty": 0.5,
            }),
            &Defaults::default(),
        )
        .unwrap();
        let sampling = Sampling {
            temperature: 0.5,
            top_p: 0.9,
            top_k: 7,
            min_p: 0.1,
            typical_p: 0.8,
            top_h: 0.4,
            top_n_sigma: 2.0,
            epsilon_cutoff: 0.01,
            eta_cutoff: 0.02,
            xtc: Xtc { probability: 0.3, threshold: 0.2 },
            frequency_penalty: 1.0,
            presence_penalty: -1.0,
            repetition_penalty: 1.2,
            no_repeat_ngram: 3,
            dry: Dry { multiplier: 0.8, base: 2.0, allowed_length: 3, breakers: Vec::new() },
            sequence_bias: vec![(vec![5], -100.0)],
            seed: 11,
            samples: 2,
            min_tokens: 4,
            length_penalty: 0.5,
            ..Sampling::default()
        };
        assert_eq!(got, Decoding { sampling, max_tokens: 9, stop: vec!["END".into(), "\n".into()], special: true });
    }

    #[test]
    fn tokens_are_drawn_where_a_field_asks_for_it() {
        let temperature = |request| of(request, &Defaults::default()).unwrap().sampling.temperature;
        for request in [
            json!({}),
            json!({"top_p": 1}),
            json!({"top_k": 0}),
            json!({"top_k": -1}),
            json!({"seed": 1}),
            json!({"beams": 2}),
            json!({"temperature": null}),
        ] {
            assert_eq!(temperature(request.clone()), 0.0, "{request}");
        }
        for request in
            [json!({"top_p": 0.9}), json!({"top_k": 5}), json!({"min_p": 0.1}), json!({"n": 2}), json!({"mirostat": 2})]
        {
            assert_eq!(temperature(request.clone()), 1.0, "{request}");
        }
        assert_eq!(temperature(json!({"top_p": 0.9, "temperature": 0})), 0.0);
        let drawing =
            Defaults { sampling: Sampling { temperature: 0.7, ..Sampling::default() }, ..Defaults::default() };
        assert_eq!(of(json!({"top_p": 0.9}), &drawing).unwrap().sampling.temperature, 0.7);
    }

    #[test]
    fn answers_are_as_long_as_is_allowed() {
        let tokens = |request| of(request, &Defaults::default()).unwrap().max_tokens;
        assert_eq!(tokens(json!({})), 100);
        assert_eq!(tokens(json!({"max_completion_tokens": 5})), 5);
        assert_eq!(tokens(json!({"max_tokens": 1_000_000_000_000u64})), 100);
        let models = Defaults { max_tokens: Some(30), stop: vec!["x".into()], ..Defaults::default() };
        let got = of(json!({}), &models).unwrap();
        assert_eq!((got.max_tokens, got.stop), (30, vec!["x".to_owned()]));
    }

    #[test]
    fn what_is_out_of_range_names_its_field() {
        for (request, param) in [
            (json!({"temperature": -1}), "temperature"),
            (json!({"temperature": 1e300}), "temperature"),
            (json!({"temperature": "warm"}), "temperature"),
            (json!({"top_p": 0}), "top_p"),
            (json!({"top_k": -5}), "top_k"),
            (json!({"top_k": 1.5}), "top_k"),
            (json!({"min_p": 2}), "min_p"),
            (json!({"frequency_penalty": 3}), "frequency_penalty"),
            (json!({"repeat_penalty": 0}), "repeat_penalty"),
            (json!({"repeat_penalty": 1, "repetition_penalty": 1}), "repeat_penalty"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"max_tokens": -1}), "max_tokens"),
            (json!({"max_tokens": 1, "max_completion_tokens": 1}), "max_completion_tokens"),
            (json!({"n": 0}), "n"),
            (json!({"n": 1_000_000_000}), "n"),
            (json!({"seed": 1e30}), "seed"),
            (json!({"seed": 0.5}), "seed"),
            (json!({"stop": ""}), "stop"),
            (json!({"stop": 5}), "stop"),
            (json!({"stop": [5]}), "stop"),
            (json!({"stop": vec!["a"; 17]}), "stop"),
            (json!({"logit_bias": {"a": 1}}), "logit_bias"),
            (json!({"logit_bias": {"1": 101}}), "logit_bias"),
            (json!({"logit_bias": []}), "logit_bias"),
            (json!({"mirostat": 3}), "mirostat"),
            (json!({"xtc_probability": 2}), "xtc_probability"),
            (json!({"no_such": 2}), "no_such"),
        ] {
            let failure = of(request.clone(), &Defaults::default()).unwrap_err();
            assert_eq!((failure.status.as_u16(), failure.param.as_deref()), (400, Some(param)), "{request}");
        }
    }
}
