//! A response that comes as typed events.

use super::object::Shape;
use crate::app::App;
use crate::error::Failure;
use crate::sse::Story;
use crate::usage::step;
use serde_json::{Value, json};
use smolvlm_engine::{Answer, TokenLogprobs};
use std::sync::Arc;

/// The events of one.
pub(super) struct Events {
    app: Arc<App>,
    shape: Shape,
    /// The number of the next event.
    number: usize,
}

impl Events {
    pub(super) fn new(app: &Arc<App>, shape: Shape) -> Events {
        Events { app: Arc::clone(app), shape, number: 0 }
    }

    /// An event with its kind and number.
    fn event(&mut self, kind: &str, fields: Value) -> String {
        let mut event = json!({"type": kind, "sequence_number": self.number});
        self.number += 1;
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        format!("event: {kind}\ndata: {event}\n\n")
    }

    /// An event of the message's one part.
    fn of_part(&mut self, kind: &str, fields: Value) -> String {
        let mut all = json!({"item_id": self.shape.message, "output_index": 0, "content_index": 0});
        if let (Some(all), Value::Object(fields)) = (all.as_object_mut(), fields) {
            all.extend(fields);
        }
        self.event(kind, all)
    }
}

impl Story for Events {
    fn begin(&mut self) -> String {
        let item = self.shape.item("in_progress", json!([]));
        let part = self.shape.part("", json!([]));
        let begun = self.shape.begun();
        [
            self.event("response.created", json!({"response": begun})),
            self.event("response.in_progress", json!({"response": begun})),
            self.event("response.output_item.added", json!({"output_index": 0, "item": item})),
            self.of_part("response.content_part.added", json!({"part": part})),
        ]
        .concat()
    }

    fn more(&mut self, _: usize, text: &str, id: u32, logprobs: Option<&TokenLogprobs>) -> String {
        let app = Arc::clone(&self.app);
        let engine = app.engine();
        let logprobs = logprobs.filter(|_| self.shape.logprobs && !engine.stops().contains(&id));
        if text.is_empty() && logprobs.is_none() {
            return String::new();
        }
        let steps: Vec<Value> = logprobs.map(|logprobs| step(engine, id, logprobs)).into_iter().collect();
        self.of_part("response.output_text.delta", json!({"delta": text, "logprobs": steps}))
    }

    fn end(&mut self, answers: &[Answer]) -> String {
        let Some(answer) = answers.first() else { return self.fail(&Failure::internal()) };
        let app = Arc::clone(&self.app);
        let status = Shape::status(answer);
        let logprobs = self.shape.logprobs(app.engine(), answer);
        let part = self.shape.part(&answer.text, logprobs.clone());
        let item = self.shape.item(status, json!([part]));
        let whole = self.shape.ended(app.engine(), answer);
        [
            self.of_part("response.output_text.done", json!({"text": answer.text, "logprobs": logprobs})),
            self.of_part("response.content_part.done", json!({"part": part})),
            self.event("response.output_item.done", json!({"output_index": 0, "item": item})),
            self.event(&format!("response.{status}"), json!({"response": whole})),
        ]
        .concat()
    }

    fn fail(&mut self, failure: &Failure) -> String {
        let failed = self.shape.failed(failure);
        self.event("response.failed", json!({"response": failed}))
    }
}
