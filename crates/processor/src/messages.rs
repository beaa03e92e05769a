//! Chats: a list of messages, each a role and a list of texts and places for pictures.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::Error;
use crate::data_url::is_data_url;

/// The roles that SmolVLM's chats know.
pub const ROLES: [&str; 3] = ["user", "assistant", "system"];

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: one of [`ROLES`].
    pub role: String,
    /// What is said and shown, in order.
    pub content: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text. Markers and special tokens typed in it are ordinary text unless asked otherwise.
    Text(String),
    /// A place for a picture.
    Image(MediaSource),
    /// A clip. Frames and words take its place before a prompt is planned (`ClipSettings::parts`).
    Clip(MediaSource),
    /// A place for a frame of a clip: a picture of one tile, taken as it is.
    Frame,
}

/// Where the picture or the clip of a part comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource {
    /// From those given beside the chat, which fill such places in order.
    Given,
    /// From this file.
    File(PathBuf),
    /// From this address: `http:`, `https:` or `data:`.
    Url(String),
}

impl Part {
    /// Whether a picture takes its place: one that is given, or a frame.
    pub fn is_place(&self) -> bool {
        matches!(self, Part::Image(_) | Part::Frame)
    }

    /// Whether something is shown here: a picture, a frame or a clip.
    pub fn shows(&self) -> bool {
        !matches!(self, Part::Text(_))
    }
}

impl Message {
    /// A message of one text.
    pub fn text(role: &str, text: &str) -> Self {
        Self { role: role.to_owned(), content: vec![Part::Text(text.to_owned())] }
    }

    /// What the user says, after `pictures` places for pictures given beside the chat.
    pub fn user(pictures: usize, text: &str) -> Self {
        let mut content = vec![Part::Image(MediaSource::Given); pictures];
        content.push(Part::Text(text.to_owned()));
        Self { role: "user".to_owned(), content }
    }
}

/// Reads a JSON list of messages in the form that transformers' `apply_chat_template` takes.
///
/// `content` is a text, or a list of `{"type": "text", "text": …}` and `{"type": "image"}`; an image may name its file
/// under `path`, its address under `url`, either under `image`, or hold the file itself under `base64`. A clip is
/// `{"type": "video"}`, which names its file in the same ways, or under `video`. Relative paths are kept as they are written.
/// Keys with a null value count as absent; other
/// unknown keys are refused, as nothing would come of them.
///
/// # Errors
/// JSON that is broken or nested too deeply, an empty list, and for each message, by its index: a role that is not one
/// of [`ROLES`], a missing or empty content, parts of another form, addresses that are none.
pub fn parse_messages(json: &str) -> Result<Vec<Message>, Error> {
    let value: Value = serde_json::from_str(json)
        .map_err(|e| Error::Messages { reason: format!("not valid JSON: {e}; a list of messages would be right") })?;
    read_messages(&value)
}

/// The same, of JSON that is read already.
///
/// # Errors
/// As [`parse_messages`].
pub fn read_messages(value: &Value) -> Result<Vec<Message>, Error> {
    let Value::Array(list) = value else {
        return Err(Error::Messages { reason: format!("{} found; a list of messages would be right", kind(value)) });
    };
    let messages = list
        .iter()
        .enumerate()
        .map(|(index, value)| message(value).map_err(|reason| Error::Message { index, reason }))
        .collect::<Result<Vec<_>, _>>()?;
    check(&messages)?;
    Ok(messages)
}

/// What must hold for every chat, wherever it comes from.
pub(crate) fn check(messages: &[Message]) -> Result<(), Error> {
    if messages.is_empty() {
        return Err(Error::Messages { reason: "the list is empty; at least one message is needed".to_owned() });
    }
    for (index, message) in messages.iter().enumerate() {
        if !ROLES.contains(&message.role.as_str()) {
            let reason = format!("the role {:?} is unknown; known are {}", short(&message.role), ROLES.join(", "));
            return Err(Error::Message { index, reason });
        }
        if message.content.is_empty() {
            let reason = "the content is empty; a text or a list of parts would be right".to_owned();
            return Err(Error::Message { index, reason });
        }
    }
    Ok(())
}

fn message(value: &Value) -> Result<Message, String> {
    let Value::Object(fields) = value else {
        return Err(format!("{} found; an object with `role` and `content` would be right", kind(value)));
    };
    known_keys(fields, &["role", "content"], "a message")?;
    let role = match fields.get("role") {
        Some(Value::String(role)) => role.clone(),
        Some(Value::Null) | None => return Err("`role` is missing".to_owned()),
        Some(other) => return Err(format!("`role` is {}; a text would be right", kind(other))),
    };
    let content = match fields.get("content") {
        Some(Value::String(text)) => vec![Part::Text(text.clone())],
        Some(Value::Array(parts)) => parts
            .iter()
            .enumerate()
            .map(|(i, value)| part(value).map_err(|reason| format!("part {i}: {reason}")))
            .collect::<Result<_, _>>()?,
        Some(Value::Null) | None => return Err("`content` is missing".to_owned()),
        Some(other) => return Err(format!("`content` is {}; a text or a list of parts would be right", kind(other))),
    };
    Ok(Message { role, content })
}

fn part(value: &Value) -> Result<Part, String> {
    let Value::Object(fields) = value else {
        return Err(format!("{} found; an object with a `type` would be right", kind(value)));
    };
    match text(fields, "type")? {
        Some("text") => {
            known_keys(fields, &["type", "text"], "a text part")?;
            Ok(Part::Text(text(fields, "text")?.ok_or("`text` is missing")?.to_owned()))
        }
        Some("image") => {
            known_keys(fields, &["type", "image", "url", "path", "base64"], "an image part")?;
            Ok(Part::Image(media(fields, "image", "a picture")?))
        }
        Some("video") => {
            known_keys(fields, &["type", "video", "url", "path", "base64"], "a video part")?;
            Ok(Part::Clip(media(fields, "video", "a clip")?))
        }
        Some(other) => Err(format!("the type {:?} is unknown; known are text, image and video", short(other))),
        None => Err("`type` is missing; known are text, image and video".to_owned()),
    }
}

/// Where a part's picture or clip (`what`) comes from: under its own key, or one that both have.
fn media(fields: &Map<String, Value>, own: &str, what: &str) -> Result<MediaSource, String> {
    let mut named = Vec::new();
    for key in [own, "url", "path", "base64"] {
        named.extend(text(fields, key)?.map(|text| (key, text)));
    }
    match named.as_slice() {
        [] => Ok(MediaSource::Given),
        &[("base64", text)] => Ok(MediaSource::Url(format!("data:;base64,{text}"))),
        &[("url", text)] if !is_address(text) => {
            Err(format!("{:?} is no address; https://… or data:image/png;base64,… would be right", short(text)))
        }
        &[(_, text)] => source(text, what),
        [(first, _), (second, _), ..] => Err(format!("`{first}` and `{second}` both name {what}; one would be right")),
    }
}

/// The text under a key, if there is one.
fn text<'v>(fields: &'v Map<String, Value>, key: &str) -> Result<Option<&'v str>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(format!("`{key}` is {}; a text would be right", kind(other))),
    }
}

/// Whether a text is an address that pictures are taken from.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) || is_data_url(text)
}

fn source(text: &str, what: &str) -> Result<MediaSource, String> {
    if text.is_empty() {
        return Err(format!("the path of {what} is empty"));
    }
    if is_address(text) {
        return Ok(MediaSource::Url(text.to_owned()));
    }
    if text.contains("://") {
        return Err(format!("{:?} is an address of another kind than http, https and data", short(text)));
    }
    Ok(MediaSource::File(PathBuf::from(text)))
}

fn known_keys(fields: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), String> {
    match fields.iter().find(|(key, value)| !known.contains(&key.as_str()) && !value.is_null()) {
        None => Ok(()),
        Some((key, _)) => Err(format!("{what} has no `{}`; its keys are {}", short(key), known.join(", "))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Enough of a text from outside to be recognised in a message.
fn short(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(60).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_transformers_takes() {
        let read = parse_messages(
            r#"[{"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "image"}, {"type": "image", "path": "a/b.png", "text": null},
                 {"type": "image", "image": "c.jpg"}, {"type": "text", "text": "What?", "image": null},
                 {"type": "image", "url": "https://x/y.png"}, {"type": "image", "image": "data:;base64,YQ=="},
                 {"type": "image", "base64": "YQ=="},
                 {"type": "video"}, {"type": "video", "video": "d.mp4"}]}]"#,
        )
        .unwrap();
        let file = |name: &str| Part::Image(MediaSource::File(name.into()));
        let url = |name: &str| Part::Image(MediaSource::Url(name.into()));
        assert_eq!(
            read,
            [
                Message::text("system", "Be brief."),
                Message {
                    role: "user".into(),
                    content: vec![
                        Part::Image(MediaSource::Given),
                        file("a/b.png"),
                        file("c.jpg"),
                        Part::Text("What?".into()),
                        url("https://x/y.png"),
                        url("data:;base64,YQ=="),
                        url("data:;base64,YQ=="),
                        Part::Clip(MediaSource::Given),
                        Part::Clip(MediaSource::File("d.mp4".into())),
                    ],
                },
            ]
        );
    }

    #[test]
    fn every_mistake_has_its_message() {
        let deep = "[".repeat(100_000);
        for (json, says) in [
            ("", "not valid JSON"),
            (deep.as_str(), "recursion limit"),
            ("{}", "an object found; a list"),
            ("[]", "the list is empty"),
            ("[1]", "message 0: a number found"),
            (r#"[{"role":"user","content":"a"},{"content":"b"}]"#, "message 1: `role` is missing"),
            (r#"[{"role":"user"}]"#, "message 0: `content` is missing"),
            (r#"[{"role":"user","content":[]}]"#, "message 0: the content is empty"),
            (r#"[{"role":"user","content":7}]"#, "`content` is a number"),
            (r#"[{"role":"tool","content":"x"}]"#, "the role \"tool\" is unknown; known are user, assistant, system"),
            (r#"[{"role":["user"],"content":"x"}]"#, "`role` is a list"),
            (r#"[{"role":"user","content":"x","name":"Ada"}]"#, "a message has no `name`"),
            (r#"[{"role":"user","content":["x"]}]"#, "part 0: a text found"),
            (r#"[{"role":"user","content":[{"text":"x"}]}]"#, "`type` is missing"),
            (r#"[{"role":"user","content":[{"type":"audio"}]}]"#, "the type \"audio\" is unknown"),
            (r#"[{"role":"user","content":[{"type":"video","image":"a"}]}]"#, "a video part has no `image`"),
            (r#"[{"role":"user","content":[{"type":"video","video":"a","path":"b"}]}]"#, "both name a clip"),
            (r#"[{"role":"user","content":[{"type":"text"}]}]"#, "`text` is missing"),
            (r#"[{"role":"user","content":[{"type":"text","text":1}]}]"#, "`text` is a number"),
            (r#"[{"role":"user","content":[{"type":"image","url":"y.png"}]}]"#, "\"y.png\" is no address"),
            (r#"[{"role":"user","content":[{"type":"image","image":"ftp://x/y.png"}]}]"#, "of another kind than http"),
            (r#"[{"role":"user","content":[{"type":"image","path":""}]}]"#, "the path of a picture is empty"),
            (r#"[{"role":"user","content":[{"type":"image","path":"a","image":"b"}]}]"#, "both name a picture"),
            (r#"[{"role":"user","content":"\ud800"}]"#, "not valid JSON"),
        ] {
            let error = parse_messages(json).unwrap_err().to_string();
            assert!(error.contains(says), "{json:.80}: {error}");
        }
    }
}
