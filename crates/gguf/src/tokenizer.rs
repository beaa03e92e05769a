//! A file's tokens as `tokenizer.json` has them.

use crate::{Array, Error, Gguf, Value};
use serde_json::{Value as Json, json};

/// Kinds of tokens, as files number them.
const CONTROL: i128 = 3;
const USER_DEFINED: i128 = 4;

/// The tokenizer's file, in the form that SmolVLM's has.
pub(crate) fn tokenizer(gguf: &Gguf<'_>) -> Result<Json, Error> {
    let wrong = |what: String| Error::Wrong { what };
    let (model, pre) = (gguf.text("tokenizer.ggml.model")?, gguf.text("tokenizer.ggml.pre")?);
    if (model, pre) != ("gpt2", "smollm") {
        let what = format!("its tokenizer is {model} with {pre}; SmolVLM's is gpt2 with smollm, and no other is read");
        return Err(wrong(what));
    }
    let (tokens, merges) = (gguf.texts("tokenizer.ggml.tokens")?, gguf.texts("tokenizer.ggml.merges")?);
    let kinds = match gguf.value("tokenizer.ggml.token_type") {
        Some(Value::Array(Array::Whole(kinds))) if kinds.len() == tokens.len() => kinds,
        _ => return Err(wrong("tokenizer.ggml.token_type is no list of as many numbers as there are tokens".into())),
    };
    let merges = merges.iter().map(|merge| merge.split_once(' ')).collect::<Option<Vec<_>>>();
    let merges = merges.ok_or_else(|| wrong("tokenizer.ggml.merges has one that is not two parts".into()))?;
    let vocab: serde_json::Map<String, Json> =
        tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    if vocab.len() != tokens.len() {
        return Err(wrong("tokenizer.ggml.tokens has a token twice".into()));
    }
    let added: Vec<Json> = tokens
        .iter()
        .zip(kinds)
        .enumerate()
        .filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED))
        .map(|(id, (token, kind))| {
            json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": *kind == CONTROL })
        })
        .collect();
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Digits", "individual_digits": true },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true } ] },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": merges },
    }))
}

/// The names of its special tokens, as `tokenizer_config.json` has them.
pub(crate) fn special(gguf: &Gguf<'_>) -> Result<Json, Error> {
    let tokens = gguf.texts("tokenizer.ggml.tokens")?;
    let mut names = serde_json::Map::from_iter([("tokenizer_class".to_owned(), json!("PreTrainedTokenizerFast"))]);
    for (ours, theirs) in
        [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")]
    {
        let key = format!("tokenizer.ggml.{theirs}_token_id");
        if gguf.value(&key).is_some() {
            let token = tokens.get(gguf.count(&key)?);
            let what = || Error::Wrong { what: format!("{key} names none of the {} tokens", tokens.len()) };
            names.insert(ours.into(), json!(token.ok_or_else(what)?));
        }
    }
    Ok(Json::Object(names))
}
