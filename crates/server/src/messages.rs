//! The messages of a chat request: OpenAI's form becomes the processor's, and its pictures a list in the order of places.

use crate::error::Failure;
use crate::fields::{Fields, Refused};
use crate::media::Source;
use serde_json::Value;
use smolvlm_processor::{MediaSource, Message, Part};

/// What is said, and where its pictures and clips come from.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) messages: Vec<Message>,
    pub(crate) pictures: Vec<Source>,
    /// The same of its clips.
    pub(crate) clips: Vec<Source>,
    /// What the pictures' `detail` asks for; none where no picture has one.
    pub(crate) detail: Option<Detail>,
}

/// `detail` of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// One tile a picture.
    Low,
    /// As the model has it.
    High,
}

/// The most messages of a chat.
const MOST_MESSAGES: usize = 4096;
/// The most parts of a message.
const MOST_PARTS: usize = 4096;

const OF_TOOLS: &str = "this family of models was not trained to call tools";

/// Fields of messages that the models know nothing of.
const REFUSED: [Refused; 6] = [
    ("name", "the model's chats know roles and no names of speakers"),
    ("tool_calls", OF_TOOLS),
    ("tool_call_id", OF_TOOLS),
    ("function_call", OF_TOOLS),
    ("audio", "the model makes text alone"),
    ("refusal", "the model's chats know no refusals; content holds what was said"),
];

impl Said {
    /// Of `messages` of a chat request.
    pub(crate) fn of_chat(list: &[Value]) -> Result<Said, Failure> {
        if list.is_empty() {
            return Err(Failure::field("messages", "the list is empty; at least one message is needed"));
        }
        if list.len() > MOST_MESSAGES {
            return Err(Failure::field(
                "messages",
                format!("{} messages; at most {MOST_MESSAGES} are read", list.len()),
            ));
        }
        let mut said = Said::default();
        for (index, value) in list.iter().enumerate() {
            said.message(value, &format!("messages[{index}]"))?;
        }
        Ok(said)
    }

    fn message(&mut self, value: &Value, at: &str) -> Result<(), Failure> {
        let mut fields = Fields::of(value, at)?;
        let role = role(fields.text("role")?, &fields.name("role"))?;
        fields.refuse(&REFUSED)?;
        // Citations of an answer that comes back; the models make none.
        fields.refuse(&[("annotations", "the model's chats know no citations")])?;
        let name = fields.name("content");
        let content = match fields.value("content") {
            Some(Value::String(text)) => vec![Part::Text(text.clone())],
            Some(Value::Array(parts)) => self.parts(parts, &name)?,
            Some(_) => return Err(Failure::field(&name, format!("'{name}' is neither a string nor a list of parts"))),
            None => return Err(Failure::field(&name, format!("'{name}' is missing"))),
        };
        fields.finish()?;
        self.messages.push(Message { role: role.to_owned(), content });
        Ok(())
    }

    /// The parts of a message's content, in the forms of chat completions and of responses.
    pub(crate) fn parts(&mut self, parts: &[Value], at: &str) -> Result<Vec<Part>, Failure> {
        if parts.is_empty() {
            return Err(Failure::field(at, format!("'{at}' is an empty list; at least one part is needed")));
        }
        if parts.len() > MOST_PARTS {
            return Err(Failure::field(at, format!("'{at}' has {} parts; at most {MOST_PARTS} are read", parts.len())));
        }
        parts.iter().enumerate().map(|(index, part)| self.part(part, &format!("{at}[{index}]"))).collect()
    }

    fn part(&mut self, value: &Value, at: &str) -> Result<Part, Failure> {
        let mut fields = Fields::of(value, at)?;
        let part = match fields.text("type")? {
            Some("text" | "input_text" | "output_text") => {
                let name = fields.name("text");
                fields.refuse(&[
                    ("annotations", "the model's chats know no citations"),
                    ("logprobs", "they are of an answer"),
                ])?;
                let missing = || Failure::field(&name, format!("'{name}' is missing"));
                Part::Text(fields.text("text")?.ok_or_else(missing)?.to_owned())
            }
            Some("image_url") => {
                let name = fields.name("image_url");
                let url = address(fields.value("image_url"), &name, |picture| self.detail(picture))?;
                self.picture(url, &name)?
            }
            Some("input_image") => {
                self.detail(&mut fields)?;
                fields.refuse(&[("file_id", "no files are kept; image_url takes a data: address")])?;
                let name = fields.name("image_url");
                let url = fields.text("image_url")?;
                self.picture(url.ok_or_else(|| Failure::field(&name, format!("'{name}' is missing")))?, &name)?
            }
            Some("video_url") => {
                let name = fields.name("video_url");
                let url = address(fields.value("video_url"), &name, |_| Ok(()))?;
                self.clips.push(Source::of(url, &name)?);
                Part::Clip(MediaSource::Given)
            }
            Some(other @ ("input_audio" | "file" | "input_file" | "refusal" | "input_video")) => {
                let what =
                    format!("parts of the type {other} are not served; the model reads text, pictures and clips");
                return Err(Failure::field(&fields.name("type"), what).code("unsupported_parameter"));
            }
            Some(_) => {
                let name = fields.name("type");
                return Err(Failure::field(
                    &name,
                    format!("'{name}' is no known type; text, image_url and video_url are"),
                ));
            }
            None => {
                let name = fields.name("type");
                return Err(Failure::field(
                    &name,
                    format!("'{name}' is missing; text, image_url and video_url are known"),
                ));
            }
        };
        fields.finish()?;
        Ok(part)
    }

    fn detail(&mut self, fields: &mut Fields<'_>) -> Result<(), Failure> {
        let detail = match fields.word("detail", &["auto", "low", "high"])? {
            None => return Ok(()),
            Some("low") => Detail::Low,
            Some(_) => Detail::High,
        };
        if self.detail.is_some_and(|known| known != detail) {
            let what = "pictures of one request are read alike: the same detail for all would be right";
            return Err(Failure::field(&fields.name("detail"), what));
        }
        self.detail = Some(detail);
        Ok(())
    }

    fn picture(&mut self, url: &str, at: &str) -> Result<Part, Failure> {
        self.pictures.push(Source::of(url, at)?);
        Ok(Part::Image(MediaSource::Given))
    }
}

/// A role as the models' chats have it.
pub(crate) fn role(role: Option<&str>, at: &str) -> Result<&'static str, Failure> {
    match role {
        Some("user") => Ok("user"),
        Some("assistant") => Ok("assistant"),
        Some("system" | "developer") => Ok("system"),
        Some("tool" | "function") => Err(Failure::field(at, OF_TOOLS).code("unsupported_parameter")),
        Some(_) => {
            Err(Failure::field(at, format!("'{at}' is no known role; user, assistant, system and developer are")))
        }
        None => Err(Failure::field(at, format!("'{at}' is missing"))),
    }
}

/// The address in a part: it alone, or an object's `url` beside what `more` reads.
fn address<'v>(
    value: Option<&'v Value>,
    name: &str,
    more: impl FnOnce(&mut Fields<'v>) -> Result<(), Failure>,
) -> Result<&'v str, Failure> {
    match value {
        Some(Value::String(url)) => Ok(url),
        Some(value) => {
            let mut fields = Fields::of(value, name)?;
            more(&mut fields)?;
            let url = fields.text("url")?;
            fields.finish()?;
            url.ok_or_else(|| Failure::field(name, format!("'{name}.url' is missing")))
        }
        None => Err(Failure::field(name, format!("'{name}' is missing"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(messages: Value) -> Result<Said, Failure> {
        Said::of_chat(messages.as_array().unwrap())
    }

    #[test]
    fn openais_messages_become_the_processors() {
        let said = read(json!([
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "text", "text": "What?"}, {"type": "image_url", "image_url": "https://a.example/b"}]},
            {"role": "assistant", "content": "A dot.", "refusal": null, "tool_calls": [], "annotations": []},
        ]))
        .unwrap();
        assert_eq!(said.messages[0], Message::text("system", "Be brief."));
        let given = Part::Image(MediaSource::Given);
        assert_eq!(said.messages[1].content, [given.clone(), Part::Text("What?".into()), given]);
        assert_eq!(said.pictures.len(), 2);
        assert_eq!(said.detail, Some(Detail::Low));
    }

    #[test]
    fn every_mistake_names_its_place() {
        let picture = |detail: &str| json!({"type": "image_url", "image_url": {"url": "data:,", "detail": detail}});
        for (messages, param) in [
            (json!([]), "messages"),
            (json!([1]), "messages[0]"),
            (json!([{"content": "a"}]), "messages[0].role"),
            (json!([{"role": "tool", "content": "a"}]), "messages[0].role"),
            (json!([{"role": "king", "content": "a"}]), "messages[0].role"),
            (json!([{"role": 1, "content": "a"}]), "messages[0].role"),
            (json!([{"role": "user"}]), "messages[0].content"),
            (json!([{"role": "user", "content": null}]), "messages[0].content"),
            (json!([{"role": "user", "content": 5}]), "messages[0].content"),
            (json!([{"role": "user", "content": []}]), "messages[0].content"),
            (json!([{"role": "user", "content": "a", "name": "Ada"}]), "messages[0].name"),
            (json!([{"role": "user", "content": "a", "mood": "x"}]), "messages[0].mood"),
            (json!([{"role": "assistant", "content": "a", "tool_calls": [1]}]), "messages[0].tool_calls"),
            (json!([{"role": "user", "content": ["a"]}]), "messages[0].content[0]"),
            (json!([{"role": "user", "content": [{"type": "input_video"}]}]), "messages[0].content[0].type"),
            (json!([{"role": "user", "content": [{"type": "video_url"}]}]), "messages[0].content[0].video_url"),
            (
                json!([{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "ftp://a"}}]}]),
                "messages[0].content[0].video_url",
            ),
            (json!([{"role": "user", "content": [{"text": "x"}]}]), "messages[0].content[0].type"),
            (json!([{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text"),
            (json!([{"role": "user", "content": [{"type": "image_url"}]}]), "messages[0].content[0].image_url"),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
                "messages[0].content[0].image_url",
            ),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": "ftp://a"}]}]),
                "messages[0].content[0].image_url",
            ),
            (
                json!([{"role": "user", "content": [picture("low"), picture("high")]}]),
                "messages[0].content[1].image_url.detail",
            ),
        ] {
            let failure = read(messages.clone()).unwrap_err();
            assert_eq!((failure.status.as_u16(), failure.param.as_deref()), (400, Some(param)), "{messages}");
        }
    }
}
