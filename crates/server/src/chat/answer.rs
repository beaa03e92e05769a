//! A chat completion that comes at once.

use crate::app::App;
use crate::usage::{Frame, finish_reason, steps, usage};
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
    let choices = answers.iter().enumerate().map(choice).collect();
    Frame::new(app, "chatcmpl", "chat.completion").of(choices, Some(usage(answers)))
}
