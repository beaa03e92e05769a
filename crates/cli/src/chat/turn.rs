//! A turn: the question goes to the model's thread, the answer streams back.

use super::interrupt::Interrupt;
use super::output::{Output, Waiting};
use crate::error::Error;
use crate::run::about;
use serde_json::{Map, Value, json};
use smolvlm_engine::{Answer, Ask, Engine, Progress, Service, StopReason};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How soon Ctrl-C is seen.
const TICK: Duration = Duration::from_millis(50);

/// What came of a question.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) text: String,
    tokens: usize,
    /// The whole answer; none where it was stopped.
    answer: Option<Answer>,
    /// Seconds until the first text, and until the end.
    first: Option<f64>,
    total: f64,
    /// Of the prompt, and of those the pictures'.
    prompt: (usize, usize),
}

/// Asks, and writes the answer as it comes.
///
/// # Errors
/// The question cannot be answered, or the answer not be written.
pub(super) fn ask(service: &Service, ask: Ask, output: &Output, interrupt: &Interrupt) -> Result<Told, Error> {
    interrupt.begin();
    let told = streamed(service, ask, output, interrupt);
    interrupt.end();
    told
}

fn streamed(service: &Service, ask: Ask, output: &Output, interrupt: &Interrupt) -> Result<Told, Error> {
    let start = Instant::now();
    let pictures = ask.pictures.len();
    let (send, receive) = channel();
    // Dropped at the end, however that comes: then the model stops.
    let _ticket = service.ask(ask, Box::new(move |progress| _ = send.send(progress)))?;
    let mut waiting = Waiting::new(output);
    let mut stage = if pictures > 0 { "looking" } else { "reading" };
    let mut told = Told::default();
    loop {
        match receive.recv_timeout(TICK) {
            Ok(Progress::Begun { prompt_tokens, image_tokens }) => {
                told.prompt = (prompt_tokens, image_tokens);
                stage = "reading";
            }
            Ok(Progress::More { text, .. }) => {
                told.tokens += 1;
                if !text.is_empty() {
                    waiting.clear();
                    told.first.get_or_insert_with(|| start.elapsed().as_secs_f64());
                    told.say(&text, output)?;
                }
            }
            Ok(Progress::Done(answers)) => {
                waiting.clear();
                let answer = answers?.into_iter().next().ok_or(smolvlm_engine::Error::NothingLeft)?;
                // What a search found comes as one.
                let rest = answer.text.strip_prefix(told.text.as_str()).unwrap_or_default().to_owned();
                told.say(&rest, output)?;
                told.total = start.elapsed().as_secs_f64();
                told.first.get_or_insert(told.total);
                told.tokens = answer.output_ids.len();
                told.answer = Some(answer);
                return Ok(told);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Error::ModelGone),
        }
        if interrupt.is_stopping() {
            waiting.clear();
            told.total = start.elapsed().as_secs_f64();
            return Ok(told);
        }
        waiting.tick(stage);
    }
}

impl Told {
    fn say(&mut self, text: &str, output: &Output) -> Result<(), Error> {
        self.text += text;
        if output.json || text.is_empty() { Ok(()) } else { output.text(text) }
    }

    /// Whether Ctrl-C ended it.
    pub(super) fn is_stopped(&self) -> bool {
        self.answer.is_none()
    }

    /// A line of what it took.
    pub(super) fn note(&self) -> String {
        let first = self.first.unwrap_or(self.total);
        // The first token comes out of the prompt. A few that come together tell no speed.
        let decode = self.answer.as_ref().map_or(self.total - first, |answer| answer.times.decode);
        let speed = match self.tokens {
            tokens @ 4.. if decode > 0.0 => format!(", {:.1} tokens/s", (tokens - 1) as f64 / decode),
            _ => String::new(),
        };
        let tokens = if self.tokens == 1 { "token" } else { "tokens" };
        let end = match self.answer.as_ref().map(|answer| answer.stop_reason) {
            None => ", stopped",
            Some(StopReason::MaxTokens) => ", cut off at its longest (/set tokens N)",
            Some(StopReason::ContextFull) => ", cut off as the context is full",
            Some(_) => "",
        };
        let (prompt, pictures) = self.prompt;
        let cached = self.answer.as_ref().map_or(0, |answer| answer.cached_tokens);
        let of_pictures = if pictures > 0 { format!(", {pictures} of pictures") } else { String::new() };
        let known = if cached > 0 { format!(", {cached} known from before") } else { String::new() };
        format!(
            "{} {tokens}{end}{speed}, first after {first:.2} s; {prompt} of prompt{of_pictures}{known}",
            self.tokens
        )
    }

    /// The object of `--json`.
    pub(super) fn report(&self, engine: &Engine, seed: Option<u64>, left_out: usize) -> Value {
        let mut fields = Map::new();
        match &self.answer {
            Some(answer) => fields.extend(about(engine, answer)),
            None => {
                fields.insert("text".into(), json!(self.text));
                fields.insert("output_tokens".into(), json!(self.tokens));
                fields.insert("stop_reason".into(), json!(StopReason::Cancelled.name()));
            }
        }
        let cached = self.answer.as_ref().map(|answer| answer.cached_tokens);
        fields.insert("prompt_tokens".into(), json!(self.prompt.0));
        fields.insert("image_tokens".into(), json!(self.prompt.1));
        fields.insert("cached_tokens".into(), json!(cached.unwrap_or(0)));
        if left_out > 0 {
            fields.insert("left_out".into(), json!(left_out));
        }
        let mut times = json!({ "first_text": self.first, "total": self.total });
        if let (Some(answer), Some(times)) = (&self.answer, times.as_object_mut()) {
            times.insert("vision".into(), json!(answer.times.vision));
            times.insert("prefill".into(), json!(answer.times.prefill));
            times.insert("decode".into(), json!(answer.times.decode));
        }
        fields.insert("times".into(), times);
        if let Some(seed) = seed {
            fields.insert("seed".into(), seed.into());
        }
        Value::Object(fields)
    }
}
