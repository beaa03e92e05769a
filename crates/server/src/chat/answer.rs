//! A chat completion that comes at once.

use crate::app::{App, fresh_id, now};
use crate::usage::{finish_reason, steps, usage};
use serde_json::{Value, json};
use smolvlm_engine::Answer;

/// The object.
pub(super) fn whole(app: &App, answers: &[Answer], logprobs: bool) -> Value {
    let choice = |(index, answer): (usize, &Answer)| {
        let logprobs = logprobs.then(|| json!({"content": steps(app.engine(), answer), "refusal": null}));
        json!({
            "index": index,
            "message": {"role": "assistant", "content": answer.text, "refusal": null},
            "logprobs": logprobs,
            "finish_reason": finish_reason(answer),
        })
    };
    json!({
        "id": fresh_id("chatcmpl"),
        "object": "chat.completion",
        "created": now(),
        "model": app.name(),
        "choices": answers.iter().enumerate().map(choice).collect::<Vec<_>>(),
        "usage": usage(answers),
    })
}
