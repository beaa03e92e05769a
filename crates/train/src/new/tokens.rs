//! A tokenizer with SmolVLM's tokens: those that it lacks come behind its own, in the order and with the padding of
//! SmolVLM-256M's file, in which 49,152 of SmolLM2 become 49,280.

use super::{SMALL_FILE, read_file, read_object, wrong};
use crate::Error;
use crate::files::write;
use serde_json::{Map, Value, json};
use smolvlm_model::config::TextConfig;
use smolvlm_processor::{END_OF_UTTERANCE, FAKE, GLOBAL, IMAGE, Tokenizer};
use std::io::ErrorKind;
use std::path::Path;

/// What a chat begins with, in SmolVLM's template.
const START: &str = "<|im_start|>";
/// What ends a turn of SmolLM2, and fills batches.
const TURN_END: &str = "<|im_end|>";
/// What stands between texts.
const BETWEEN: &str = "<|endoftext|>";
/// Rows and columns that have a marker.
const MARKED: u32 = 6;
/// What the number of tokens is brought to a multiple of, by reserved ones.
const ROUND: usize = 128;
/// Larger tokenizers are not read; SmolVLM's has some 3.5 MB.
const LARGE_FILE: u64 = 256 << 20;

/// A tokenizer's files.
pub(super) struct Tokens {
    /// `tokenizer.json`
    text: String,
    /// `tokenizer_config.json`
    config: Map<String, Value>,
    /// Tokens before.
    pub(super) old: usize,
    /// Tokens now.
    pub(super) len: usize,
    /// How many are new.
    pub(super) added: usize,
    /// The id of `<image>`.
    pub(super) image: u32,
    /// The id of `<|im_start|>`.
    pub(super) start: u32,
    /// The id of `<|im_end|>`.
    pub(super) turn_end: u32,
    /// The id of `<end_of_utterance>`.
    pub(super) end: u32,
    /// Whether there is `<|endoftext|>`.
    between: bool,
    path: String,
}

impl Tokens {
    /// Reads the tokenizer of a folder, and adds what it lacks.
    pub(super) fn extended(dir: &Path) -> Result<Tokens, Error> {
        let path = dir.join("tokenizer.json");
        let named = path.display().to_string();
        let text = read_file(&path, LARGE_FILE)?;
        let before = Tokenizer::from_json(&named, &text)?;
        let missing = missing(&before);
        let (text, after) = if missing.is_empty() {
            (text, before.clone())
        } else {
            let text = with_tokens(&text, &missing, before.len()).map_err(|what| Error::state(&path, what))?;
            let after = Tokenizer::from_json(&named, &text)?;
            (text, after)
        };
        let id = |token: &str| {
            let found = after.added_tokens().find(|(content, _)| *content == token);
            found.map(|(_, id)| id).ok_or_else(|| {
                Error::state(
                    &path,
                    format!("has no added token {token}; a tokenizer of SmolLM2 or SmolVLM would be right"),
                )
            })
        };
        let config = dir.join("tokenizer_config.json");
        let mut config = match read_object(&config, SMALL_FILE) {
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => Map::new(),
            other => other?,
        };
        list(&mut config, &missing, before.len());
        Ok(Tokens {
            config,
            old: before.len(),
            len: after.len(),
            added: missing.len(),
            image: id(IMAGE)?,
            start: id(START)?,
            turn_end: id(TURN_END)?,
            end: id(END_OF_UTTERANCE)?,
            between: id(BETWEEN).is_ok(),
            text,
            path: named,
        })
    }

    /// Rows of the tables that a trained decoder gets with these tokens.
    pub(super) fn rows_beside(&self, decoder: &TextConfig) -> Result<usize, Error> {
        if self.old > decoder.vocab {
            let (path, old, rows) = (&self.path, self.old, decoder.vocab);
            return Err(wrong(format!(
                "{path}: {old} tokens, but the decoder's table has {rows} rows: another model's"
            )));
        }
        Ok(self.len.max(decoder.vocab))
    }

    /// Writes `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.
    pub(super) fn write(&self, folder: &Path, context: usize) -> Result<(), Error> {
        let mut config = self.config.clone();
        let mut map = Map::new();
        // A template and tokens by other names would compete with SmolVLM's.
        config.retain(|key, _| key != "chat_template" && key != "extra_special_tokens");
        config.entry("tokenizer_class").or_insert("GPT2Tokenizer".into());
        let between = Some(("unk_token", BETWEEN)).filter(|_| self.between);
        for (key, token) in
            [("bos_token", START), ("eos_token", END_OF_UTTERANCE), ("pad_token", TURN_END)].into_iter().chain(between)
        {
            config.insert(key.into(), token.into());
            map.insert(key.into(), entry(token));
        }
        let pictures = [FAKE, IMAGE, END_OF_UTTERANCE];
        config.insert("additional_special_tokens".into(), json!(pictures));
        map.insert("additional_special_tokens".into(), pictures.map(entry).into_iter().collect());
        config.insert("model_max_length".into(), context.into());
        config.insert("padding_side".into(), "left".into());
        config.insert("truncation_side".into(), "left".into());
        config.insert("processor_class".into(), "SmolVLMProcessor".into());
        write(&folder.join("tokenizer.json"), self.text.as_bytes())?;
        write(&folder.join("tokenizer_config.json"), format!("{:#}\n", Value::Object(config)).as_bytes())?;
        write(&folder.join("special_tokens_map.json"), format!("{:#}\n", Value::Object(map)).as_bytes())
    }
}

/// What of SmolVLM's tokens a tokenizer lacks, and reserved ones that bring their number to a round one.
fn missing(tokenizer: &Tokenizer) -> Vec<String> {
    let there = |token: &str| tokenizer.added_tokens().any(|(content, _)| content == token);
    let markers = (1..=MARKED).flat_map(|row| (1..=MARKED).map(move |col| format!("<row_{row}_col_{col}>")));
    let wanted = [GLOBAL.to_string()].into_iter().chain(markers).chain([FAKE.into(), IMAGE.into()]);
    let mut missing: Vec<String> = wanted.filter(|token| !there(token)).collect();
    let end = !there(END_OF_UTTERANCE);
    if missing.is_empty() && !end {
        return missing;
    }
    let len = tokenizer.len() + missing.len() + usize::from(end);
    let free = (0..).map(|i| format!("<|reserved_special_token_{i}|>")).filter(|token| !there(token));
    missing.extend(free.take(len.next_multiple_of(ROUND) - len));
    // The last row, as in SmolVLM's file.
    missing.extend(Some(END_OF_UTTERANCE.to_string()).filter(|_| end));
    missing
}

/// A token as the files write it.
fn entry(token: &str) -> Value {
    json!({"content": token, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false})
}

/// The text of a `tokenizer.json` with more tokens, whose ids begin at `first`.
fn with_tokens(text: &str, tokens: &[String], first: usize) -> Result<String, String> {
    let mut file: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let file_map = file.as_object_mut().ok_or("not a JSON object")?;
    let list = file_map.entry("added_tokens").or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    let list = list.as_array_mut().ok_or("`added_tokens` is not a list")?;
    for (id, token) in (first..).zip(tokens) {
        list.push(json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        }));
    }
    Ok(format!("{file:#}\n"))
}

/// Tells `added_tokens_decoder` of more tokens, where a file has it.
fn list(config: &mut Map<String, Value>, tokens: &[String], first: usize) {
    let Some(Value::Object(decoder)) = config.get_mut("added_tokens_decoder") else { return };
    for (id, token) in (first..).zip(tokens) {
        let mut entry = entry(token);
        entry["special"] = true.into();
        decoder.insert(id.to_string(), entry);
    }
}
