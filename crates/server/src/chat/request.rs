//! What a chat completion may be asked with.

use crate::app::{App, Question, View};
use crate::decoding::{Decoding, MOST_TOP, OF_LLAMA};
use crate::error::Failure;
use crate::fields::{Fields, Refused};
use crate::form::Form;
use crate::messages::Said;
use serde_json::Value;
use smolvlm_processor::{MAX_LONGEST_EDGE, PlanOptions};

/// A chat completion's request.
pub(crate) struct ChatRequest {
    pub(crate) question: Question,
    pub(crate) how: How,
}

/// How the answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct How {
    pub(crate) stream: bool,
    /// Whether a stream ends with what it took.
    pub(crate) usage: bool,
    pub(crate) logprobs: bool,
    /// Answers to the request.
    pub(crate) choices: usize,
}

pub(crate) const TOOLS: &str = "this family of models was not trained to call tools";
const TEXT: &str = "the model makes text alone";

/// Fields that are known and not served.
const REFUSED: [Refused; 16] = [
    ("tools", TOOLS),
    ("tool_choice", TOOLS),
    ("functions", TOOLS),
    ("function_call", TOOLS),
    ("parallel_tool_calls", TOOLS),
    ("audio", TEXT),
    ("prediction", "tokens are guessed from the conversation alone"),
    ("reasoning_effort", "the model does not think aloud"),
    ("verbosity", "the model knows no degrees of it; max_tokens bounds an answer"),
    ("web_search_options", "the model does not search the web"),
    ("store", "no answers are kept"),
    ("moderation", "answers are not moderated"),
    ("prompt_cache_retention", "what is kept of earlier prompts is the server's choice"),
    ("chat_template", "a template is a program; the model's own is used"),
    ("chat_template_kwargs", "the model's template takes none"),
    ("repeat_last_n", "penalties look at the whole answer"),
];

/// Of the fields that nothing depends on: who asks, for the asker's own books.
pub(crate) fn passed_over(fields: &mut Fields<'_>) -> Result<(), Failure> {
    fields.text("user")?;
    fields.text("safety_identifier")?;
    fields.text("prompt_cache_key")?;
    fields.table("metadata")?;
    fields.word("service_tier", &["auto", "default"])?;
    fields.truth("cache_prompt")?;
    Ok(())
}

/// How pictures are cut: fields of this server.
pub(crate) fn view(fields: &mut Fields<'_>) -> Result<View, Failure> {
    let max_edge = fields.count("max_edge", 1, MAX_LONGEST_EDGE as usize)?.map(|edge| edge as u32);
    Ok(View { max_edge, split: fields.truth("split")? })
}

/// `messages`.
pub(crate) fn messages(fields: &mut Fields<'_>) -> Result<Said, Failure> {
    let list = fields.list("messages")?;
    Said::of_chat(
        list.ok_or_else(|| Failure::field("messages", "'messages' is missing; a list of them would be right"))?,
    )
}

/// `stream` and what belongs to it: whether an answer is told piece by piece, and ends with what it took.
pub(crate) fn stream(fields: &mut Fields<'_>) -> Result<(bool, bool), Failure> {
    let stream = fields.truth("stream")?.unwrap_or(false);
    let Some(mut options) = fields.object("stream_options")? else { return Ok((stream, false)) };
    if !stream {
        return Err(Failure::field(
            "stream_options",
            "'stream_options' are of a stream: 'stream': true would be right",
        ));
    }
    let usage = options.truth("include_usage")?.unwrap_or(false);
    options.refuse(&[("include_obfuscation", "pieces are sent as they are")])?;
    options.finish()?;
    Ok((stream, usage))
}

impl ChatRequest {
    /// Reads one, with the pictures that are at hand.
    pub(crate) fn of(value: &Value, app: &App) -> Result<ChatRequest, Failure> {
        let mut fields = Fields::of(value, "")?;
        app.check_model(fields.text("model")?)?;
        fields.refuse(&REFUSED)?;
        fields.refuse(&OF_LLAMA)?;
        passed_over(&mut fields)?;
        modalities(&mut fields)?;
        let mut said = messages(&mut fields)?;
        let view = view(&mut fields)?;
        let (stream, usage) = stream(&mut fields)?;
        let tokens = ["max_tokens", "max_completion_tokens"];
        let mut decoding = Decoding::of(&mut fields, &tokens, app.engine(), &app.defaults, app.most())?;
        decoding.sampling.logprobs = logprobs(&mut fields)?;
        let form = Form::of(&mut fields)?;
        let continues = continues(&mut fields)?;
        fields.finish()?;
        let shown = app.shown(&mut said)?;
        let plan = PlanOptions { continues, ..app.plan(view, said.detail) };
        let (logprobs, choices) = (decoding.sampling.logprobs.is_some(), decoding.sampling.samples);
        let question = Question { messages: said.messages, shown, plan, decoding, form };
        Ok(ChatRequest { question, how: How { stream, usage, logprobs, choices } })
    }
}

/// Whether the last message is what the answer begins with, as vLLM is told of it.
fn continues(fields: &mut Fields<'_>) -> Result<bool, Failure> {
    let continues = fields.truth("continue_final_message")?.unwrap_or(false);
    if fields.truth("add_generation_prompt")?.unwrap_or(!continues) == continues {
        let what = "'continue_final_message' goes on with the last message, 'add_generation_prompt' begins another: one of them would be right";
        return Err(Failure::field("add_generation_prompt", what));
    }
    Ok(continues)
}

fn modalities(fields: &mut Fields<'_>) -> Result<(), Failure> {
    match fields.list("modalities")? {
        Some(list) if list.iter().any(|word| word.as_str() != Some("text")) => {
            Err(Failure::field("modalities", TEXT).code("unsupported_parameter"))
        }
        _ => Ok(()),
    }
}

fn logprobs(fields: &mut Fields<'_>) -> Result<Option<usize>, Failure> {
    let wanted = fields.truth("logprobs")?.unwrap_or(false);
    let top = fields.count("top_logprobs", 0, MOST_TOP)?;
    match (wanted, top) {
        (false, Some(1..)) => Err(Failure::field("top_logprobs", "'top_logprobs' needs 'logprobs': true")),
        (false, _) => Ok(None),
        (true, top) => Ok(Some(top.unwrap_or(0))),
    }
}
