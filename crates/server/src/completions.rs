//! `POST /v1/completions`: a text that the model goes on with, without the roles of a chat.

use crate::app::{App, Question, Shown};
use crate::chat::{passed_over, stream_fields};
use crate::decoding::{Decoding, MOST_TOP, OF_LLAMA};
use crate::error::Failure;
use crate::fields::{Fields, Refused};
use crate::form::Form;
use crate::reply::Json;
use crate::sse::{self, DONE, Story, data};
use crate::usage::{Frame, finish_reason, shown, usage};
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use smolvlm_engine::{Answer, Engine, TokenLogprobs};
use smolvlm_processor::{Message, PlanOptions};
use std::sync::Arc;

/// Fields that are known and not served.
const REFUSED: [Refused; 3] = [
    ("echo", "the prompt is not said again"),
    ("suffix", "the model does not fill in between two texts"),
    ("best_of", "'n' gives several answers; 'beams' searches for the best"),
];

/// How the answer is told.
struct How {
    stream: bool,
    usage: bool,
    logprobs: bool,
}

/// The endpoint.
pub(crate) async fn completions(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let body = app.bodies.read(request).await?;
    let (question, how, room) = app
        .aside(move |app| {
            let (question, how) = read(&body.json()?, app)?;
            Ok((question, how, body.room))
        })
        .await?;
    let choices = question.decoding.sampling.samples;
    let mut running = app.ask(question).await?.holding(room);
    if how.stream {
        running.begun().await?;
        let frame = frame(&app);
        let story = Pieces { app, how, frame, told: vec![(false, 0); choices] };
        return Ok(sse::response(running, story));
    }
    let answers = running.answers().await?;
    let choice = |(index, answer): (usize, &Answer)| {
        let logprobs = how.logprobs.then(|| logprobs(app.engine(), shown(app.engine(), answer), &mut 0));
        json!({"index": index, "text": answer.text, "logprobs": logprobs, "finish_reason": finish_reason(answer)})
    };
    let choices = answers.iter().enumerate().map(choice).collect();
    Ok(Json(frame(&app).of(choices, Some(usage(&answers)))).into_response())
}

fn frame(app: &App) -> Frame {
    Frame::new(app, "cmpl", "text_completion")
}

fn read(value: &Value, app: &App) -> Result<(Question, How), Failure> {
    let mut fields = Fields::of(value, "")?;
    app.check_model(fields.text("model")?)?;
    fields.refuse(&REFUSED)?;
    fields.refuse(&OF_LLAMA)?;
    passed_over(&mut fields)?;
    let prompt = prompt(&mut fields)?;
    let (stream, usage) = stream_fields(&mut fields)?;
    let tokens = ["max_tokens", "n_predict"];
    let mut decoding = Decoding::of(&mut fields, &tokens, app.engine(), &app.defaults, app.most())?;
    decoding.sampling.logprobs = fields.count("logprobs", 0, MOST_TOP)?;
    let form = Form::of(&mut fields)?;
    fields.finish()?;
    let how = How { stream, usage, logprobs: decoding.sampling.logprobs.is_some() };
    let plan = PlanOptions { chat: false, ..PlanOptions::default() };
    let messages = vec![Message::text("user", &prompt)];
    Ok((Question { messages, shown: Shown::default(), plan, decoding, form }, how))
}

/// `prompt`: a text, or a list of one.
fn prompt(fields: &mut Fields<'_>) -> Result<String, Failure> {
    let wrong = |what: &str| Err(Failure::field("prompt", what));
    let text = match fields.value("prompt") {
        Some(Value::String(text)) => text,
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::String(text)] => text,
            [Value::String(_), ..] => return wrong("'prompt' has several texts; one a request would be right"),
            _ => return wrong("'prompt' is a list of something else than a text; a string would be right"),
        },
        Some(_) => return wrong("'prompt' is neither a string nor a list of one"),
        None => return wrong("'prompt' is missing; a string would be right"),
    };
    if text.is_empty() { wrong("'prompt' is empty; one token at least would be right") } else { Ok(text.clone()) }
}

/// Log-probabilities in the form of completions: lists side by side. `at` is the place in the text in characters.
fn logprobs<'a>(engine: &Engine, steps: impl Iterator<Item = (u32, &'a TokenLogprobs)>, at: &mut usize) -> Value {
    let text =
        |id| String::from_utf8_lossy(&engine.processor().tokenizer().token_bytes(id).unwrap_or_default()).into_owned();
    let (mut tokens, mut chosen, mut top, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, step) in steps {
        let token = text(id);
        offsets.push(*at);
        *at += token.chars().count();
        tokens.push(token);
        chosen.push(step.chosen.max(-9999.0));
        let entries = step.top.iter().map(|&(id, logprob)| (text(id), json!(logprob.max(-9999.0))));
        top.push(entries.collect::<Map<String, Value>>());
    }
    json!({"tokens": tokens, "token_logprobs": chosen, "top_logprobs": top, "text_offset": offsets})
}

/// A completion that comes piece by piece.
struct Pieces {
    app: Arc<App>,
    how: How,
    frame: Frame,
    /// Of each answer, whether any piece of it has been told, and how many characters its tokens have.
    told: Vec<(bool, usize)>,
}

impl Pieces {
    fn piece(&self, choices: Value, taken: Value) -> String {
        data(&self.frame.of(choices, self.how.usage.then_some(taken)))
    }

    fn choice(&self, index: usize, text: &str, logprobs: Option<Value>, reason: Option<&str>) -> String {
        let choice = json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason});
        self.piece(json!([choice]), Value::Null)
    }
}

impl Story for Pieces {
    fn begin(&mut self) -> String {
        String::new()
    }

    fn more(&mut self, answer: usize, text: &str, id: u32, steps: Option<&TokenLogprobs>) -> String {
        let engine = Arc::clone(&self.app);
        let steps = steps.filter(|_| self.how.logprobs && !engine.engine().stops().contains(&id));
        if text.is_empty() && steps.is_none() {
            return String::new();
        }
        let mut at = 0;
        let place = self.told.get_mut(answer).map(|(told, at)| {
            *told = true;
            at
        });
        let at = place.unwrap_or(&mut at);
        let found = steps.map(|step| logprobs(engine.engine(), std::iter::once((id, step)), at));
        self.choice(answer, text, found, None)
    }

    fn end(&mut self, answers: &[Answer]) -> String {
        let mut text = String::new();
        for (index, answer) in answers.iter().enumerate() {
            // A search tells nothing before its end.
            let untold = self.told.get(index).is_some_and(|(told, _)| !told) && !answer.text.is_empty();
            let engine = self.app.engine();
            let found = (untold && self.how.logprobs).then(|| logprobs(engine, shown(engine, answer), &mut 0));
            let last = if untold { answer.text.as_str() } else { "" };
            text.push_str(&self.choice(index, last, found, Some(finish_reason(answer))));
        }
        if self.how.usage {
            text.push_str(&self.piece(json!([]), usage(answers)));
        }
        text + DONE
    }

    fn fail(&mut self, failure: &Failure) -> String {
        data(&failure.json()) + DONE
    }
}
