//! What OpenAI's endpoints say alike of answers: why they ended, what they took, and how probable their tokens were.

use crate::app::{App, fresh_id, now};
use serde_json::{Value, json};
use smolvlm_engine::{Answer, Engine, StopReason, TokenLogprobs};

/// What stands around the choices of a completion, or of each piece of one.
pub(crate) struct Frame {
    object: &'static str,
    id: String,
    created: u64,
    model: String,
}

impl Frame {
    /// Of a new completion: what begins its name, and what it is called.
    pub(crate) fn new(app: &App, kind: &str, object: &'static str) -> Frame {
        Frame { object, id: fresh_id(kind), created: now(), model: app.name().to_owned() }
    }

    /// Around these choices, and what they took where that is told.
    pub(crate) fn of(&self, choices: Value, usage: Option<Value>) -> Value {
        let Frame { object, id, created, model } = self;
        let mut whole = json!({"id": id, "object": object, "created": created, "model": model, "choices": choices});
        if let (Some(fields), Some(usage)) = (whole.as_object_mut(), usage) {
            fields.insert("usage".into(), usage);
        }
        whole
    }
}

/// `finish_reason`.
pub(crate) fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop_reason {
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        StopReason::EndOfTurn | StopReason::StopString | StopReason::Cancelled => "stop",
    }
}

/// Tokens of the prompt, those of them that were there, those that stand for pictures, and those of all answers.
pub(crate) fn tokens(answers: &[Answer]) -> (usize, usize, usize, usize) {
    let first = answers.first();
    let of = |count: fn(&Answer) -> usize| first.map_or(0, count);
    let output = answers.iter().map(|answer| answer.output_ids.len()).sum();
    (of(|answer| answer.prompt_tokens), of(|answer| answer.cached_tokens), of(|answer| answer.image_tokens), output)
}

/// `usage`.
pub(crate) fn usage(answers: &[Answer]) -> Value {
    let (prompt, cached, image, output) = tokens(answers);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached, "image_tokens": image},
    })
}

/// A token and its log-probability, as chat completions have it.
fn token(engine: &Engine, id: u32, logprob: f32) -> Value {
    let bytes = engine.processor().tokenizer().token_bytes(id).unwrap_or_default();
    // A probability of zero has no logarithm that JSON could hold.
    json!({"token": String::from_utf8_lossy(&bytes), "logprob": logprob.max(-9999.0), "bytes": bytes})
}

/// The log-probabilities of a step.
pub(crate) fn step(engine: &Engine, id: u32, logprobs: &TokenLogprobs) -> Value {
    let mut chosen = token(engine, id, logprobs.chosen);
    let top: Vec<Value> = logprobs.top.iter().map(|&(id, logprob)| token(engine, id, logprob)).collect();
    if let Some(fields) = chosen.as_object_mut() {
        fields.insert("top_logprobs".into(), top.into());
    }
    chosen
}

/// Those of an answer, without the token that ended it.
pub(crate) fn steps(engine: &Engine, answer: &Answer) -> Vec<Value> {
    shown(engine, answer).map(|(id, logprobs)| step(engine, id, logprobs)).collect()
}

/// The tokens of an answer that belong to its text, with their log-probabilities.
pub(crate) fn shown<'a>(engine: &'a Engine, answer: &'a Answer) -> impl Iterator<Item = (u32, &'a TokenLogprobs)> {
    let steps = answer.output_ids.iter().copied().zip(&answer.logprobs);
    steps.filter(|(id, _)| !engine.stops().contains(id))
}
