//! The object of a response, as it begins and as it ends.

use crate::app::{fresh_id, now};
use crate::error::Failure;
use crate::usage::{finish_reason, steps, tokens};
use serde_json::{Map, Value, json};
use smolvlm_engine::{Answer, Engine};

/// What is the same in an object's course.
pub(super) struct Shape {
    id: String,
    /// Of the one message that it holds.
    pub(super) message: String,
    created: u64,
    model: String,
    echo: Map<String, Value>,
    pub(super) logprobs: bool,
}

impl Shape {
    pub(super) fn new(model: &str, echo: Map<String, Value>, logprobs: bool) -> Shape {
        let (id, message) = (fresh_id("resp").replacen('-', "_", 1), fresh_id("msg").replacen('-', "_", 1));
        Shape { id, message, created: now(), model: model.to_owned(), echo, logprobs }
    }

    fn object(&self, status: &str, output: Value, usage: Value) -> Map<String, Value> {
        let fields = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": null,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": false,
            "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null},
            "service_tier": "default",
            "store": false,
            "tool_choice": "none",
            "tools": [],
            "truncation": "disabled",
            "usage": usage,
        });
        let Value::Object(mut fields) = fields else { return Map::new() };
        fields.extend(self.echo.clone());
        fields
    }

    /// Before there is an answer.
    pub(super) fn begun(&self) -> Value {
        self.object("in_progress", json!([]), Value::Null).into()
    }

    /// The text of the message.
    pub(super) fn part(&self, text: &str, logprobs: Value) -> Value {
        json!({"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs})
    }

    /// The message.
    pub(super) fn item(&self, status: &str, content: Value) -> Value {
        json!({"id": self.message, "type": "message", "status": status, "role": "assistant", "content": content})
    }

    /// Log-probabilities of an answer, empty where none were asked for.
    pub(super) fn logprobs(&self, engine: &Engine, answer: &Answer) -> Value {
        if self.logprobs { json!(steps(engine, answer)) } else { json!([]) }
    }

    /// How an answer's message stands.
    pub(super) fn status(answer: &Answer) -> &'static str {
        if finish_reason(answer) == "length" { "incomplete" } else { "completed" }
    }

    /// With its answer.
    pub(super) fn ended(&self, engine: &Engine, answer: &Answer) -> Value {
        let status = Shape::status(answer);
        let part = self.part(&answer.text, self.logprobs(engine, answer));
        let (prompt, cached, image, output) = tokens(std::slice::from_ref(answer));
        let usage = json!({
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached, "image_tokens": image},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + output,
        });
        let mut fields = self.object(status, json!([self.item(status, json!([part]))]), usage);
        if status == "incomplete" {
            fields.insert("incomplete_details".into(), json!({"reason": "max_output_tokens"}));
        }
        fields.into()
    }

    /// Without one, and why.
    pub(super) fn failed(&self, failure: &Failure) -> Value {
        let mut fields = self.object("failed", json!([]), Value::Null);
        let error = json!({"code": failure.code.unwrap_or("server_error"), "message": failure.message});
        fields.insert("error".into(), error);
        fields.into()
    }
}
