//! What a response may be asked with.

use crate::app::{App, Question};
use crate::chat::{TOOLS, passed_over, view};
use crate::decoding::{Decoding, MOST_TOP};
use crate::error::Failure;
use crate::fields::{Fields, Refused};
use crate::form::Form;
use crate::messages::{Said, role};
use serde_json::{Map, Value, json};
use smolvlm_processor::Message;

/// A request.
pub(super) struct ResponseRequest {
    pub(super) question: Question,
    pub(super) stream: bool,
    /// What the answer's object says of the request again.
    pub(super) echo: Map<String, Value>,
}

const KEPT: &str = "nothing is kept; the whole conversation in 'input' would be right";

/// Fields that are known and not served.
const REFUSED: [Refused; 17] = [
    ("tools", TOOLS),
    ("tool_choice", TOOLS),
    ("parallel_tool_calls", TOOLS),
    ("max_tool_calls", TOOLS),
    ("previous_response_id", KEPT),
    ("conversation", KEPT),
    ("store", "nothing is kept; without it would be right"),
    ("background", "answers are given while the client waits"),
    ("prompt", "no prompts are kept"),
    ("reasoning", "the model does not think aloud"),
    ("context_management", "a prompt that does not fit is refused, not cut"),
    ("prompt_cache_retention", "what is kept of earlier prompts is the server's choice"),
    ("moderation", "answers are not moderated"),
    ("stream_options", "pieces are sent as they are"),
    ("n", "a response has one answer"),
    ("beams", "a response has one answer, which comes as it is made"),
    ("max_tokens", "'max_output_tokens' is its name here"),
];

/// The most items of an input.
const MOST_ITEMS: usize = 4096;

impl ResponseRequest {
    /// Reads one, with the pictures that are at hand.
    pub(super) fn of(value: &Value, app: &App) -> Result<ResponseRequest, Failure> {
        let mut fields = Fields::of(value, "")?;
        app.check_model(fields.text("model")?)?;
        fields.refuse(&REFUSED)?;
        passed_over(&mut fields)?;
        if fields.word("truncation", &["disabled", "auto"])? == Some("auto") {
            let what = "'truncation' is not served: a prompt that does not fit is refused, not cut";
            return Err(Failure::field("truncation", what).code("unsupported_parameter"));
        }
        let mut said = Said::default();
        let instructions = fields.text("instructions")?;
        if let Some(instructions) = instructions {
            said.messages.push(Message::text("system", instructions));
        }
        input(fields.value("input"), &mut said)?;
        let view = view(&mut fields)?;
        let stream = fields.truth("stream")?.unwrap_or(false);
        let mut decoding = Decoding::of(&mut fields, &["max_output_tokens"], app.engine(), &app.defaults, app.most())?;
        decoding.sampling.logprobs = logprobs(&mut fields)?;
        let format = format(&mut fields)?;
        fields.finish()?;
        let shown = app.shown(&mut said)?;
        let plan = app.plan(view, said.detail);
        let echo = echo(value, instructions, &decoding);
        let question = Question { messages: said.messages, shown, plan, decoding, form: format };
        Ok(ResponseRequest { question, stream, echo })
    }
}

/// `input`: a text, or messages.
fn input(value: Option<&Value>, said: &mut Said) -> Result<(), Failure> {
    let items = match value {
        Some(Value::String(text)) => {
            said.messages.push(Message::text("user", text));
            return Ok(());
        }
        Some(Value::Array(items)) if !items.is_empty() && items.len() <= MOST_ITEMS => items,
        Some(Value::Array(items)) => {
            let what = format!("'input' has {} items; 1 to {MOST_ITEMS} would be right", items.len());
            return Err(Failure::field("input", what));
        }
        Some(_) => return Err(Failure::field("input", "'input' is neither a string nor a list of messages")),
        None => {
            return Err(Failure::field("input", "'input' is missing; a string or a list of messages would be right"));
        }
    };
    items.iter().enumerate().try_for_each(|(index, item)| message(item, &format!("input[{index}]"), said))
}

fn message(item: &Value, at: &str, said: &mut Said) -> Result<(), Failure> {
    let mut fields = Fields::of(item, at)?;
    let name = fields.name("type");
    if fields.text("type")?.is_some_and(|kind| kind != "message") {
        let what = format!("'{name}' is not served: an input has messages alone");
        return Err(Failure::field(&name, what).code("unsupported_parameter"));
    }
    // Of an answer that comes back.
    fields.text("id")?;
    fields.text("status")?;
    let role = role(fields.text("role")?, &fields.name("role"))?;
    let name = fields.name("content");
    let content = match fields.value("content") {
        Some(Value::String(text)) => vec![smolvlm_processor::Part::Text(text.clone())],
        Some(Value::Array(parts)) => said.parts(parts, &name)?,
        Some(_) => return Err(Failure::field(&name, format!("'{name}' is neither a string nor a list of parts"))),
        None => return Err(Failure::field(&name, format!("'{name}' is missing"))),
    };
    fields.finish()?;
    said.messages.push(Message { role: role.to_owned(), content });
    Ok(())
}

/// `include` asks for log-probabilities, `top_logprobs` says of how many.
fn logprobs(fields: &mut Fields<'_>) -> Result<Option<usize>, Failure> {
    let top = fields.count("top_logprobs", 0, MOST_TOP)?;
    let mut wanted = false;
    for value in fields.list("include")?.unwrap_or_default() {
        match value.as_str() {
            Some("message.output_text.logprobs") => wanted = true,
            _ => {
                let what = "'include' has an entry that is not served; message.output_text.logprobs is";
                return Err(Failure::field("include", what).code("unsupported_parameter"));
            }
        }
    }
    Ok(wanted.then(|| top.unwrap_or(0)))
}

/// `text.format`.
fn format(fields: &mut Fields<'_>) -> Result<Option<Form>, Failure> {
    let Some(mut text) = fields.object("text")? else { return Ok(None) };
    text.refuse(&[("verbosity", "the model knows no degrees of it; max_output_tokens bounds an answer")])?;
    let form = text.object("format")?.map(Form::of_text).transpose()?.flatten();
    text.finish()?;
    Ok(form)
}

fn echo(value: &Value, instructions: Option<&str>, decoding: &Decoding) -> Map<String, Value> {
    let given = |field: &str| value.get(field).cloned().unwrap_or_default();
    let or = |value: Value, other: Value| if value.is_null() { other } else { value };
    let fields = [
        ("instructions", json!(instructions)),
        ("max_output_tokens", given("max_output_tokens")),
        ("metadata", or(given("metadata"), json!({}))),
        ("temperature", json!(decoding.sampling.temperature)),
        ("top_p", json!(decoding.sampling.top_p)),
        ("top_logprobs", or(given("top_logprobs"), json!(0))),
        ("text", or(given("text"), json!({"format": {"type": "text"}}))),
        ("user", given("user")),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
