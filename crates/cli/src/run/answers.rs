//! How answers are printed, as text or as one JSON object.

use crate::error::Error;
use crate::output::print_line;
use serde_json::{Value, json};
use smolvlm_engine::{Answer, Engine, Request, TokenLogprobs};

/// Prints what did not stream: nothing of a single answer but its line's end, the best of a search, or each of several
/// under its number.
pub(super) fn print(answers: &[Answer], request: &Request) -> Result<(), Error> {
    match answers {
        [_] if request.sampling.beams == 1 => print_line(""),
        [best] => print_line(&best.text),
        several => (1..).zip(several).try_for_each(|(number, answer)| {
            print_line(&format!("--- {number}"))?;
            print_line(&answer.text)
        }),
    }
}

/// The `--json` object.
pub(super) fn report(engine: &Engine, answers: &[Answer], request: &Request, times: Value) -> Value {
    let mut report = json!({});
    let Some(fields) = report.as_object_mut() else { return report };
    match answers {
        [only] => fields.extend(about(engine, only)),
        several => {
            let list: Vec<Value> = several.iter().map(|answer| about(engine, answer).collect()).collect();
            fields.insert("answers".into(), list.into());
        }
    }
    if let Some(answer) = answers.first() {
        fields.insert("prompt_tokens".into(), answer.prompt_tokens.into());
        fields.insert("image_tokens".into(), answer.image_tokens.into());
    }
    fields.insert("times".into(), times);
    fields.insert("peak_rss".into(), json!(smolvlm_sys::peak_rss()));
    if request.sampling.temperature > 0.0 {
        fields.insert("seed".into(), request.sampling.seed.into());
    }
    report
}

/// What is said of one answer.
pub(crate) fn about(engine: &Engine, answer: &Answer) -> impl Iterator<Item = (String, Value)> {
    let step = |(&id, step): (&u32, &TokenLogprobs)| {
        let mut chosen = token(engine, id, step.chosen);
        let top: Vec<Value> = step.top.iter().map(|&(id, logprob)| token(engine, id, logprob)).collect();
        if let Some(fields) = chosen.as_object_mut() {
            fields.insert("top".into(), top.into());
        }
        chosen
    };
    let logprobs: Vec<Value> = answer.output_ids.iter().zip(&answer.logprobs).map(step).collect();
    let fields = [
        ("text", Some(json!(answer.text))),
        ("output_tokens", Some(json!(answer.output_ids.len()))),
        ("stop_reason", Some(json!(answer.stop_reason.name()))),
        ("score", answer.score.map(rounded)),
        ("logprobs", (!logprobs.is_empty()).then(|| logprobs.into())),
    ];
    fields.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
}

/// A token, as it reads and as a number, and its log-probability.
fn token(engine: &Engine, id: u32, logprob: f32) -> Value {
    let bytes = engine.processor().tokenizer().token_bytes(id).unwrap_or_default();
    json!({ "id": id, "token": String::from_utf8_lossy(&bytes), "logprob": rounded(logprob) })
}

/// What single precision knows of a number, and no more digits.
fn rounded(x: f32) -> Value {
    json!((f64::from(x) * 1e6).round() / 1e6)
}
