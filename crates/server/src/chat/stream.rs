//! A chat completion that comes piece by piece.

use super::request::How;
use crate::app::App;
use crate::error::Failure;
use crate::sse::{DONE, Story, data};
use crate::usage::{Frame, finish_reason, step, steps, usage};
use serde_json::{Value, json};
use smolvlm_engine::{Answer, TokenLogprobs};
use std::sync::Arc;

/// The chunks of one.
pub(super) struct Chunks {
    app: Arc<App>,
    how: How,
    frame: Frame,
    /// Of each answer, whether any piece of it has been told.
    told: Vec<bool>,
}

impl Chunks {
    pub(super) fn new(app: &Arc<App>, how: How) -> Chunks {
        let frame = Frame::new(app, "chatcmpl", "chat.completion.chunk");
        Chunks { app: Arc::clone(app), how, frame, told: vec![false; how.choices] }
    }

    fn chunk(&self, choices: Value, taken: Value) -> String {
        data(&self.frame.of(choices, self.how.usage.then_some(taken)))
    }

    fn delta(&self, index: usize, delta: Value, logprobs: Option<Vec<Value>>, reason: Option<&str>) -> String {
        let logprobs = logprobs.map(|content| json!({"content": content, "refusal": null}));
        let choice = json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason});
        self.chunk(json!([choice]), Value::Null)
    }
}

impl Story for Chunks {
    fn begin(&mut self) -> String {
        (0..self.how.choices)
            .map(|index| self.delta(index, json!({"role": "assistant", "content": ""}), None, None))
            .collect()
    }

    fn more(&mut self, answer: usize, text: &str, id: u32, logprobs: Option<&TokenLogprobs>) -> String {
        let engine = self.app.engine();
        let logprobs = logprobs.filter(|_| self.how.logprobs && !engine.stops().contains(&id));
        if text.is_empty() && logprobs.is_none() {
            return String::new();
        }
        if let Some(told) = self.told.get_mut(answer) {
            *told = true;
        }
        let steps = logprobs.map(|logprobs| vec![step(self.app.engine(), id, logprobs)]);
        self.delta(answer, json!({"content": text}), steps, None)
    }

    fn end(&mut self, answers: &[Answer]) -> String {
        let mut text = String::new();
        for (index, answer) in answers.iter().enumerate() {
            // A search tells nothing before its end.
            if !self.told.get(index).copied().unwrap_or(false) && !answer.text.is_empty() {
                let logprobs = self.how.logprobs.then(|| steps(self.app.engine(), answer));
                text.push_str(&self.delta(index, json!({"content": answer.text}), logprobs, None));
            }
            text.push_str(&self.delta(index, json!({}), None, Some(finish_reason(answer))));
        }
        if self.how.usage {
            text.push_str(&self.chunk(json!([]), usage(answers)));
        }
        text + DONE
    }

    fn fail(&mut self, failure: &Failure) -> String {
        data(&failure.json()) + DONE
    }
}
