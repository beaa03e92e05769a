//! A row: who is asked what about which pictures, and settings of its own.

use super::super::chat::{about, place};
use super::settings::is_setting;
use crate::error::Error;
use crate::pictures::{Medium, Source};
use serde_json::{Map, Value};
use smolvlm_processor::{MediaSource, Message, Part, read_messages};
use std::path::Path;

/// Keys that are no settings.
const KEYS: [&str; 8] = ["id", "image", "images", "video", "videos", "prompt", "messages", "system"];

/// What a row asks.
pub(super) struct Row {
    /// The chat.
    pub(super) messages: Vec<Message>,
    /// What takes the chat's places, in their order.
    pub(super) media: Vec<Medium>,
    /// What the model is told before.
    pub(super) system: Option<String>,
    /// Settings, by the names of flags.
    pub(super) settings: Map<String, Value>,
}

impl Row {
    /// Reads a row; its id even where the rest is wrong. Paths are relative to `folder`.
    pub(super) fn read(line: &[u8], folder: &Path, special: bool) -> (Value, Result<Row, Error>) {
        let fields = match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return (Value::Null, Error::usage("the row is no object; {\"prompt\": \"…\"} would be right")),
            Err(e) => return (Value::Null, Error::usage(format!("not valid JSON: {e}"))),
        };
        let id = fields.get("id").cloned().unwrap_or_default();
        (id, Row::of(fields, folder, special))
    }

    fn of(fields: Map<String, Value>, folder: &Path, special: bool) -> Result<Row, Error> {
        let mut fields: Map<String, Value> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let unknown: Vec<String> = fields
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()) && !is_setting(key))
            .map(|key| format!("`{key}`"))
            .collect();
        if !unknown.is_empty() {
            return Error::usage(format!(
                "a row has no {}; its keys are {}, and settings by the names of flags, as max_tokens or top_p",
                unknown.join(", "),
                KEYS.join(", ")
            ));
        }
        let mut given: Vec<Medium> = Vec::new();
        for word in words(&mut fields, "image", "images")? {
            given.push(source(&word, folder)?.medium());
        }
        for word in words(&mut fields, "video", "videos")? {
            given.push(Medium::Clip(source(&word, folder)?));
        }
        let mut messages = match (text(&mut fields, "prompt")?, fields.remove("messages")) {
            (Some(prompt), None) => vec![about(&given, &prompt, special)],
            (None, Some(messages)) => read_messages(&messages)?,
            (Some(_), Some(_)) => return Error::usage("`prompt` and `messages` both ask; one would be right"),
            (None, None) => return Error::usage("the row asks nothing: it needs a `prompt` or `messages`"),
        };
        for part in messages.iter_mut().flat_map(|message| &mut message.content) {
            if let Part::Image(MediaSource::File(file)) | Part::Clip(MediaSource::File(file)) = part {
                *file = folder.join(&*file);
            }
        }
        let media = place(&messages, given, special)?;
        let system = text(&mut fields, "system")?;
        fields.remove("id");
        Ok(Row { messages, media, system, settings: fields })
    }
}

/// Where a picture or a clip comes from that a row names: a file, an address, or a data URL.
fn source(word: &str, folder: &Path) -> Result<Source, Error> {
    match Source::of(word) {
        Source::File(file) => Ok(Source::File(folder.join(file))),
        Source::Stdin => Error::usage("'-' is no picture of a row: stdin is not read for each"),
        source => Ok(source),
    }
}

/// The words under a key that has one, or under one that has several.
fn words(fields: &mut Map<String, Value>, one: &str, several: &str) -> Result<Vec<String>, Error> {
    let word = text(fields, one)?;
    let Some(words) = fields.remove(several) else { return Ok(word.into_iter().collect()) };
    if word.is_some() {
        return Error::usage(format!("`{one}` and `{several}` both name what is shown; one would be right"));
    }
    match serde_json::from_value(words) {
        Ok(words) => Ok(words),
        Err(_) => Error::usage(format!("`{several}` is no list of paths")),
    }
}

/// A text that may be missing.
fn text(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Error> {
    match fields.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Error::usage(format!("`{key}` is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(row: Value) -> Result<Row, String> {
        Row::read(row.to_string().as_bytes(), Path::new("data"), false).1.map_err(|e| e.to_string())
    }

    #[test]
    fn rows_of_both_forms() {
        let row = read(json!({"id": [1], "image": "a.png", "prompt": "What?", "top_p": 0.5, "system": null})).unwrap();
        assert_eq!(row.messages, [Message::user(1, "What?")]);
        assert_eq!(row.media, [Medium::Picture(Source::File("data/a.png".into()))]);
        assert_eq!((row.settings, row.system), (json!({"top_p": 0.5}).as_object().unwrap().clone(), None));
        let parts = json!([{"type": "image", "path": "b.png"}, {"type": "image"}, {"type": "text", "text": "?"}]);
        let chat = json!([{"role": "user", "content": parts}]);
        let row = read(json!({"messages": chat, "images": ["/c.png"], "system": "Be brief."})).unwrap();
        let picture = |name: &str| Medium::Picture(Source::File(name.into()));
        assert_eq!(
            (row.media.as_slice(), row.system.as_deref()),
            (&[picture("data/b.png"), picture("/c.png")][..], Some("Be brief."))
        );
        let row = read(json!({"image": "a.mp4", "videos": ["b.gif"], "prompt": "What?"})).unwrap();
        let clip = |name: &str| Medium::Clip(Source::File(name.into()));
        assert_eq!(row.media, [clip("data/a.mp4"), clip("data/b.gif")]);
        let row = read(json!({"image": "data:image/png;base64,AA==", "prompt": "What?"})).unwrap();
        assert!(matches!(&row.media[..], [Medium::Picture(Source::Data(_))]));
    }

    #[test]
    fn mistakes_are_named_and_the_id_is_kept() {
        for (row, says) in [
            (json!({"prompt": "a", "tempp": 1, "picture": "b"}), "a row has no `tempp`, `picture`; its keys are id,"),
            (json!({"prompt": "a", "json": true}), "a row has no `json`"),
            (json!({"id": 1}), "it needs a `prompt` or `messages`"),
            (json!({"prompt": "a", "messages": []}), "both ask"),
            (json!({"prompt": 1}), "`prompt` is no text"),
            (json!({"prompt": "a", "image": "b", "images": []}), "both name what is shown"),
            (json!({"prompt": "a", "images": "b"}), "`images` is no list of paths"),
            (json!({"prompt": "a", "image": "-"}), "stdin is not read for each"),
            (json!({"messages": [{"role": "user"}]}), "message 0: `content` is missing"),
            (json!({"messages": [{"role": "user", "content": [{"type": "image"}]}]}), "1 place(s) for pictures"),
            (json!({"messages": [{"role": "user", "content": "a"}], "image": "b"}), "1 picture(s) given"),
            (json!([1]), "the row is no object"),
        ] {
            let error = read(row.clone()).err().unwrap();
            assert!(error.contains(says), "{row}: {error}");
        }
        let (id, row) = Row::read(br#"{"id": "x", "promt": "a"}"#, Path::new(""), false);
        assert!(id == "x" && row.is_err());
        let (id, row) = Row::read(b"{\"id\": \"x\"", Path::new(""), false);
        assert!(id.is_null() && row.err().unwrap().to_string().contains("not valid JSON"));
    }
}
