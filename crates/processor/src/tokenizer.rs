//! SmolVLM's tokenizer: byte-level BPE from `tokenizer.json`, over the `tokenizers` crate.
//!
//! Text is read in two ways. *With specials* every added token that it contains becomes its id: that is how a rendered
//! chat is read. *Plainly* no added token is recognised: that is how words typed by a user are read.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use smolvlm_sys::Files;
use tokenizers::{
    AddedVocabulary, DecoderWrapper, ModelWrapper, NormalizerWrapper, OffsetReferential, OffsetType, Tokenizer as Inner,
};

use crate::{Error, files, stream::ByteLevel};

pub use crate::stream::StreamDecoder;

/// Larger files are refused; SmolVLM's has some 3.5 MB.
const MAX_FILE: u64 = 256 << 20;

/// A tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// Recognises the added tokens.
    full: Inner,
    /// The same without them.
    plain: Inner,
    /// Ids of the added tokens by content.
    added: HashMap<String, u32>,
    /// Ids that are hidden in output.
    special: HashSet<u32>,
    /// What the post-processor puts before and behind a text.
    affixes: (Vec<u32>, Vec<u32>),
    len: usize,
    bytes: ByteLevel,
    path: String,
}

/// A piece of a text: an added token, or what lies between two of them.
pub(crate) enum Piece<'t> {
    Token(u32, &'t str),
    Text(&'t str),
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a checkpoint folder.
    ///
    /// # Errors
    /// No such file, not JSON, not a tokenizer, added tokens whose ids are not the file's, or a kind of tokenizer that
    /// SmolVLM does not use (supported: BPE, no normaliser or NFC, a byte-level decoder).
    pub fn open(files: impl Into<Files>) -> Result<Self, Error> {
        const NAME: &str = "tokenizer.json";
        let files = &files.into();
        let path = files.path(NAME).display().to_string();
        let Some(text) = files::text(files, NAME, MAX_FILE)? else {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file; a checkpoint folder has one");
            return Err(Error::Read { path, source });
        };
        Self::from_json(&path, &text)
    }

    /// Makes the tokenizer of the text of a `tokenizer.json`; `path` is named in errors.
    ///
    /// # Errors
    /// As for [`Tokenizer::open`].
    pub fn from_json(path: &str, text: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Tokenizer { path: path.to_owned(), reason };
        // The list alone, before the crate numbers the tokens in its own way.
        let file: File = serde_json::from_str(text).map_err(|source| match source.classify() {
            serde_json::error::Category::Data => wrong(format!("not a tokenizer: {source}")),
            _ => Error::Json { path: path.to_owned(), source },
        })?;
        let listed = listed_tokens(&file.added_tokens).map_err(wrong)?;
        sound(&file).map_err(wrong)?;
        let mut full: Inner = text.parse().map_err(|e| wrong(format!("not a tokenizer: {e}")))?;
        // Whoever saved the file may have left their own limits in it; the reference sets them at each call.
        full.with_truncation(None).map_err(|e| wrong(e.to_string()))?;
        full.with_padding(None);
        supported(&full).map_err(wrong)?;
        let mut plain = full.clone();
        plain.with_added_vocabulary(AddedVocabulary::new());

        let mut added = HashMap::new();
        let mut special = HashSet::new();
        for (id, token) in full.get_added_tokens_decoder() {
            if token.special {
                special.insert(id);
            }
            added.insert(token.content, id);
        }
        for (content, id) in listed {
            // The crate numbers added tokens by itself and only warns where the file says otherwise.
            if added.get(&content) != Some(&id) {
                let got = added.get(&content).map_or("none".to_owned(), u32::to_string);
                return Err(wrong(format!(
                    "the added token {content:?} should have the id {id} but gets {got}: the ids of added tokens must \
                     follow the vocabulary without gaps"
                )));
            }
        }
        let affixes = affixes(&full).map_err(wrong)?;
        let ids = full.get_vocab(true).into_values().chain(affixes.0.iter().chain(&affixes.1).copied());
        let len = ids.max().map_or(0, |id| id as usize + 1);
        Ok(Self { full, plain, added, special, affixes, len, bytes: ByteLevel::new(), path: path.to_owned() })
    }

    /// The ids of a text whose added tokens are meant as such, as the reference's tokenizer gives them with
    /// `add_special_tokens=True` (which adds nothing with SmolVLM's file).
    ///
    /// # Errors
    /// The tokenizer fails, which its file is to blame for.
    pub fn encode_special(&self, text: &str) -> Result<Vec<u32>, Error> {
        Ok(self.framed(self.encode_unframed(text)?))
    }

    /// As [`Tokenizer::encode_special`], without what the post-processor puts around a whole prompt.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode_special`].
    pub fn encode_unframed(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.encode_with(&self.full, text)
    }

    /// The ids of a text in which no added token is recognised.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode_special`]; or the file's merges build one of its own special tokens from plain text.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, Error> {
        let ids = self.encode_with(&self.plain, text)?;
        match ids.iter().find(|id| self.special.contains(id)) {
            None => Ok(ids),
            Some(id) => Err(self.wrong(format!("its merges build the special token {id} from plain text"))),
        }
    }

    /// `ids` between what the post-processor puts around a text.
    pub(crate) fn framed(&self, ids: Vec<u32>) -> Vec<u32> {
        let (before, behind) = &self.affixes;
        if before.is_empty() && behind.is_empty() { ids } else { [before.as_slice(), &ids, behind].concat() }
    }

    /// Cuts a text at the added tokens in it, by the crate's own rules.
    pub(crate) fn pieces<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let split = self.full.get_added_vocabulary().extract_and_normalize(self.full.get_normalizer(), text);
        split
            .get_splits(OffsetReferential::Original, OffsetType::Byte)
            .into_iter()
            .filter_map(|(_, (start, end), tokens)| {
                let slice = text.get(start..end)?;
                Some(match tokens.as_ref().and_then(|t| t.first()) {
                    Some(token) => Piece::Token(token.id, slice),
                    None => Piece::Text(slice),
                })
            })
            .collect()
    }

    /// The text of `ids`. Special tokens are left out unless `special`; ids without a token give nothing; bytes that
    /// are not UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32], special: bool) -> String {
        let mut decoder = self.stream(special);
        let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
        text.push_str(&decoder.finish());
        text
    }

    /// A decoder that takes ids one by one.
    pub fn stream(&self, special: bool) -> StreamDecoder<'_> {
        StreamDecoder::new(self, special)
    }

    /// The bytes of one token, or `None` for an id without one.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        self.full.id_to_token(id).map(|token| self.bytes.bytes(&token))
    }

    /// The id of a token written as the file writes it.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.full.token_to_id(token)
    }

    /// The token of an id as the file writes it (spaces are `Ġ`, line ends `Ċ`).
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.full.id_to_token(id)
    }

    /// Whether the id is hidden in output by default.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// The added tokens: content and id, in no order.
    pub fn added_tokens(&self) -> impl Iterator<Item = (&str, u32)> {
        self.added.iter().map(|(content, &id)| (content.as_str(), id))
    }

    /// One more than the largest id.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn wrong(&self, reason: String) -> Error {
        Error::Tokenizer { path: self.path.clone(), reason }
    }

    fn encode_with(&self, inner: &Inner, text: &str) -> Result<Vec<u32>, Error> {
        match inner.encode_fast(text, false) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(e) => Err(self.wrong(format!("a text cannot be read: {e}"))),
        }
    }
}

/// What is read of `tokenizer.json` beside the crate's own reading.
#[derive(serde::Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Value,
    #[serde(default)]
    post_processor: Value,
    model: Option<Affixes>,
}

/// What the crate's BPE would cut from the tokens that it merges, unchecked.
#[derive(serde::Deserialize)]
struct Affixes {
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
}

/// Refuses what the crate reads and would then panic on.
fn sound(file: &File) -> Result<(), String> {
    let empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    if let Some(model) = &file.model
        && !(empty(&model.continuing_subword_prefix) && empty(&model.end_of_word_suffix))
    {
        return Err(
            "`continuing_subword_prefix` and `end_of_word_suffix` are not supported; null would be right".into()
        );
    }
    let mut left = vec![&file.post_processor];
    while let Some(step) = left.pop() {
        let list = |key: &str| step.get(key).and_then(Value::as_array).into_iter().flatten();
        left.extend(list("processors"));
        for piece in list("single") {
            let token = piece.pointer("/SpecialToken/id").and_then(Value::as_str);
            let known = token.is_some_and(|id| step.get("special_tokens").is_some_and(|t| t.get(id).is_some()));
            if !known && piece.pointer("/Sequence/id").and_then(Value::as_str) != Some("A") {
                return Err(format!("its post-processor has the piece {piece}, which nothing in it explains"));
            }
        }
    }
    Ok(())
}

/// The file's added tokens: content and id.
fn listed_tokens(list: &Value) -> Result<Vec<(String, u32)>, String> {
    if list.is_null() {
        return Ok(Vec::new());
    }
    let list = list.as_array().ok_or("`added_tokens` is not a list")?;
    list.iter()
        .enumerate()
        .map(|(i, token)| {
            let content = token.get("content").and_then(Value::as_str).filter(|c| !c.is_empty());
            let id = token.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
            match (content, id) {
                (Some(content), Some(id)) => Ok((content.to_owned(), id)),
                _ => Err(format!("added token {i} needs a `content` that is not empty and an `id`")),
            }
        })
        .collect()
}

fn supported(inner: &Inner) -> Result<(), String> {
    let ModelWrapper::BPE(bpe) = inner.get_model() else {
        return Err("only models of the type BPE are supported".to_owned());
    };
    if bpe.dropout.is_some_and(|p| p > 0.0) {
        return Err("`model.dropout` would give other ids at every call; null would be right".to_owned());
    }
    // A normaliser could make a special token of letters that were none: typed text could not be kept apart.
    if !matches!(inner.get_normalizer(), None | Some(NormalizerWrapper::NFC(_))) {
        return Err("the only normalizers supported are null and NFC".to_owned());
    }
    if !matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
        return Err("only decoders of the type ByteLevel are supported".to_owned());
    }
    Ok(())
}

/// What the post-processor puts around a text, seen on a text of one letter.
fn affixes(full: &Inner) -> Result<(Vec<u32>, Vec<u32>), String> {
    let ids = |framed: bool| full.encode_fast("a", framed).map(|e| e.get_ids().to_vec()).map_err(|e| e.to_string());
    let (bare, framed) = (ids(false)?, ids(true)?);
    let found = (0..=framed.len().saturating_sub(bare.len()))
        .find_map(|at| {
            let behind = framed.get(at..)?.strip_prefix(bare.as_slice())?;
            Some((framed.get(..at)?.to_vec(), behind.to_vec()))
        })
        .ok_or("its post-processor changes the text itself")?;
    Ok(found)
}
