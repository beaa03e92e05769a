//! `tokenizer.json` as GGUF files have a tokenizer: tokens by id, their types, and merges.

use crate::Error;
use serde_json::Value;
use smolvlm_gguf::Field;

/// Kinds of tokens, as files number them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// The metadata that tell the tokenizer; `rows` are those of the embedding table.
pub(crate) fn fields(tokenizer: &Value, rows: usize) -> Result<Vec<(&'static str, Field)>, Error> {
    known(tokenizer)?;
    let wrong = |what: &str| Error::Tokenizer { what: what.to_owned() };
    let model = tokenizer.get("model").ok_or_else(|| wrong("it has no model"))?;
    // Rows without a token, as the converter of llama.cpp fills them.
    let mut tokens: Vec<(String, i32)> = (0..rows).map(|id| (format!("[PAD{id}]"), UNUSED)).collect();
    let mut place = |id: Option<u64>, token: &str, kind: i32| {
        let row = id.and_then(|id| tokens.get_mut(id as usize));
        *row.ok_or_else(|| wrong("a token has no row in the embedding table"))? = (token.to_owned(), kind);
        Ok::<(), Error>(())
    };
    let vocab = model.get("vocab").and_then(Value::as_object).ok_or_else(|| wrong("it has no vocabulary"))?;
    for (token, id) in vocab {
        place(id.as_u64(), token, NORMAL)?;
    }
    for added in tokenizer.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        let content = added.get("content").and_then(Value::as_str).unwrap_or_default();
        let special = added.get("special").and_then(Value::as_bool) == Some(true);
        // What looks so is never to be found in a user's words.
        let control = special || (content.starts_with("<|") && content.ends_with("|>"));
        place(added.get("id").and_then(Value::as_u64), content, if control { CONTROL } else { USER_DEFINED })?;
    }
    let merges = model.get("merges").and_then(Value::as_array).ok_or_else(|| wrong("it has no merges"))?;
    let merges: Option<Vec<String>> = merges.iter().map(merge).collect();
    let (tokens, kinds) = tokens.into_iter().unzip();
    Ok(vec![
        ("tokenizer.ggml.model", Field::Text("gpt2".into())),
        ("tokenizer.ggml.pre", Field::Text("smollm".into())),
        ("tokenizer.ggml.tokens", Field::Texts(tokens)),
        ("tokenizer.ggml.token_type", Field::I32s(kinds)),
        ("tokenizer.ggml.merges", Field::Texts(merges.ok_or_else(|| wrong("a merge is not of two parts"))?)),
    ])
}

/// A merge: "a b" in older files, ["a", "b"] in newer ones.
fn merge(merge: &Value) -> Option<String> {
    match merge {
        Value::String(merge) => Some(merge.clone()),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(first), Value::String(second)] => Some(format!("{first} {second}")),
            _ => None,
        },
        _ => None,
    }
}

/// That text is cut as llama.cpp cuts it for `smollm`: single digits, then GPT-2's words, and nothing before or behind.
fn known(tokenizer: &Value) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::Tokenizer { what: what.to_owned() });
    let of = |value: &Value, key: &str| value.get(key).cloned().unwrap_or(Value::Null);
    let cuts = of(&of(tokenizer, "pre_tokenizer"), "pretokenizers");
    let parts: Vec<&Value> = cuts.as_array().into_iter().flatten().collect();
    let [digits, bytes] = parts.as_slice() else {
        return wrong("llama.cpp knows single digits and then GPT-2's words as 'smollm', and it cuts text otherwise");
    };
    let digits = of(digits, "type") == "Digits" && of(digits, "individual_digits") == true;
    let bytes = of(bytes, "type") == "ByteLevel" && of(bytes, "add_prefix_space") == false;
    if !digits || !bytes {
        return wrong("llama.cpp knows single digits and then GPT-2's words as 'smollm', and it cuts text otherwise");
    }
    if !of(tokenizer, "normalizer").is_null() {
        return wrong("it normalises text first");
    }
    let around = of(&of(tokenizer, "post_processor"), "single");
    let mut around = around.as_array().into_iter().flatten();
    if around.any(|piece| piece.get("SpecialToken").is_some()) {
        return wrong("it puts tokens around a text");
    }
    Ok(())
}
