//! Questions put to a server of the OpenAI API.

use crate::asker::Given;
use crate::evaluation::Options;
use crate::picture::Shown;
use crate::question::Question;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use smolvlm_processor::{Message, Part};
use std::ops::ControlFlow;

/// A server that answers chats (`/v1/chat/completions`).
pub trait Server: Sync {
    /// The body of the answer to a body of a request.
    ///
    /// # Errors
    /// There is none, in words.
    fn ask(&self, request: &Value) -> Result<Value, String>;
}

/// Puts questions to a server, several at once.
pub(crate) struct Remote<'a> {
    server: &'a dyn Server,
    options: &'a Options,
}

/// Around what a user says, in a prompt that is one text.
const START: &str = "<|im_start|>User:";
const END: &str = "<end_of_utterance>\nAssistant:";

impl<'a> Remote<'a> {
    pub(crate) fn new(server: &'a dyn Server, options: &'a Options) -> Remote<'a> {
        Remote { server, options }
    }

    /// Each question with what is answered to it, or what is wrong with it; `None` where `go_on` broke off.
    pub(crate) fn answers(
        &self,
        batch: Vec<Question>,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Vec<(Question, Result<Given, String>)>> {
        if go_on().is_break() {
            return None;
        }
        let given = std::thread::scope(|scope| {
            let asked: Vec<_> = batch.iter().map(|question| scope.spawn(|| self.answer(question))).collect();
            let lost = || Err("it was not asked".to_owned());
            asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| lost())).collect::<Vec<_>>()
        });
        Some(batch.into_iter().zip(given).collect())
    }

    fn answer(&self, question: &Question) -> Result<Given, String> {
        if question.by_choice || self.options.metric == crate::Metric::Likelihood {
            return Err(
                "a server tells no likelihoods of answers; a metric of written answers would be right".to_owned()
            );
        }
        let answer = self.server.ask(&self.request(question)?)?;
        let choice = answer.pointer("/choices/0").ok_or("its answer has no choices")?;
        let text = choice.pointer("/message/content").and_then(Value::as_str).ok_or("its answer has no text")?;
        let mut more = Vec::new();
        more.extend(answer.pointer("/usage/completion_tokens").map(|tokens| ("tokens", tokens.clone())));
        more.extend(choice.get("finish_reason").map(|reason| ("stop", reason.clone())));
        Ok(Given { text: text.trim().to_owned(), more })
    }

    fn request(&self, question: &Question) -> Result<Value, String> {
        let mut pictures = question.pictures.iter();
        let mut messages = Vec::new();
        let (said, lead) = if question.chat { (question.messages.clone(), None) } else { turns(&question.messages)? };
        for message in &said {
            let mut content = Vec::new();
            for part in &message.content {
                content.push(match part {
                    Part::Text(text) => json!({ "type": "text", "text": text }),
                    Part::Image(_) | Part::Frame => {
                        let shown = pictures.next().ok_or("a place for a picture, and none for it")?;
                        json!({ "type": "image_url", "image_url": { "url": self.data_url(shown)? } })
                    }
                    Part::Clip(_) => return Err("clips are not sent to servers".to_owned()),
                });
            }
            let content = match content.as_slice() {
                [only] if only.get("text").is_some() => only.get("text").cloned().unwrap_or_default(),
                _ => content.into(),
            };
            messages.push(json!({ "role": message.role, "content": content }));
        }
        let mut request = json!({
            "model": self.options.model, "messages": messages, "temperature": 0, "max_tokens": self.options.max_tokens,
        });
        if let (Some(lead), Value::Object(request)) = (lead, &mut request) {
            // What the answer begins with: as vLLM is told of it, and llama.cpp takes it.
            if let Some(Value::Array(messages)) = request.get_mut("messages") {
                messages.push(json!({ "role": "assistant", "content": lead }));
            }
            request.insert("add_generation_prompt".to_owned(), json!(false));
            request.insert("continue_final_message".to_owned(), json!(true));
        }
        if let (false, Value::Object(request)) = (question.stops.is_empty(), &mut request) {
            // No more are taken by the API.
            request.insert("stop".to_owned(), json!(question.stops.iter().take(4).collect::<Vec<_>>()));
        }
        Ok(request)
    }

    fn data_url(&self, shown: &Shown) -> Result<String, String> {
        let bytes = shown.file(&self.options.decode)?;
        Ok(format!("data:image/{};base64,{}", kind(&bytes), BASE64_STANDARD.encode(bytes)))
    }
}

/// The kind of a picture's file, by how it begins.
fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, ..] => "jpeg",
        [b'G', b'I', b'F', ..] => "gif",
        [b'R', b'I', b'F', b'F', ..] => "webp",
        _ => "png",
    }
}

/// A prompt that is one text as a turn of the user, and what the answer begins with.
///
/// # Errors
/// It is no turn of a chat.
fn turns(messages: &[Message]) -> Result<(Vec<Message>, Option<String>), String> {
    let wrong = "this prompt is no chat, and servers take chats alone; --prompts plain would be right";
    let mut parts: Vec<Part> = Vec::new();
    for part in messages.iter().flat_map(|message| &message.content) {
        match (parts.last_mut(), part) {
            (Some(Part::Text(text)), Part::Text(more)) => text.push_str(more),
            _ => parts.push(part.clone()),
        }
    }
    let Some(Part::Text(first)) = parts.first_mut() else { return Err(wrong.to_owned()) };
    *first = first.strip_prefix(START).ok_or(wrong)?.trim_start_matches(' ').to_owned();
    let Some(Part::Text(last)) = parts.last_mut() else { return Err(wrong.to_owned()) };
    let (said, lead) = last.rsplit_once(END).ok_or(wrong)?;
    let lead = lead.trim().to_owned();
    *last = said.to_owned();
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(END))) {
        return Err(wrong.to_owned());
    }
    let user = Message { role: "user".to_owned(), content: parts };
    Ok((vec![user], (!lead.is_empty()).then_some(lead)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_processor::MediaSource;

    #[test]
    fn a_text_is_a_turn_again() {
        let text = |text: &str| Part::Text(text.to_owned());
        let whole = |parts: Vec<Part>| turns(&[Message { role: "user".into(), content: parts }]);
        let picture = || Part::Image(MediaSource::Given);
        let (messages, lead) =
            whole(vec![text(START), picture(), text("Q?"), text("<end_of_utterance>\nAssistant: Answer:")]).unwrap();
        assert_eq!((messages[0].content.as_slice(), lead.as_deref()), (&[picture(), text("Q?")][..], Some("Answer:")));
        assert_eq!(whole(vec![text("<|im_start|>User: Q?<end_of_utterance>\nAssistant:")]).unwrap().1, None);
        for wrong in ["Q: A", "<|im_start|>User: Q", "<|im_start|>Instruction: x<end_of_utterance>\nAssistant:"] {
            assert!(whole(vec![text(wrong)]).is_err(), "{wrong}");
        }
    }
}
