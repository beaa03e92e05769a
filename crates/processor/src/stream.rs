//! Ids become text, one by one, without ever cutting a character.

use std::collections::HashMap;

use crate::tokenizer::Tokenizer;

/// Tokens are written in letters that stand for bytes: GPT-2's `bytes_to_unicode`. Printable bytes stand for
/// themselves; the others are numbered from U+0100.
#[derive(Clone, Debug)]
pub(crate) struct ByteLevel {
    bytes: HashMap<char, u8>,
}

impl ByteLevel {
    pub(crate) fn new() -> Self {
        let mut bytes = HashMap::new();
        let mut next = 0x100;
        for byte in 0..=255u8 {
            if matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) {
                bytes.insert(char::from(byte), byte);
            } else if let Some(letter) = char::from_u32(next) {
                bytes.insert(letter, byte);
                next += 1;
            }
        }
        Self { bytes }
    }

    /// The bytes that a token stands for. A token with any other letter (an added one) stands for itself.
    pub(crate) fn bytes(&self, token: &str) -> Vec<u8> {
        let bytes: Option<Vec<u8>> = token.chars().map(|c| self.bytes.get(&c).copied()).collect();
        bytes.unwrap_or_else(|| token.as_bytes().to_vec())
    }
}

/// Takes ids one by one and gives text as soon as its characters are whole. All pieces together are exactly what
/// [`Tokenizer::decode`] gives for all ids together.
#[derive(Debug)]
pub struct StreamDecoder<'t> {
    tokenizer: &'t Tokenizer,
    special: bool,
    /// The beginning of a character, at most three bytes.
    held: Vec<u8>,
}

impl<'t> StreamDecoder<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer, special: bool) -> Self {
        Self { tokenizer, special, held: Vec::new() }
    }

    /// The text that `id` completes; empty while a character is not whole.
    pub fn push(&mut self, id: u32) -> String {
        if !self.special && self.tokenizer.is_special(id) {
            return String::new();
        }
        self.held.extend(self.tokenizer.token_bytes(id).unwrap_or_default());
        let mut text = String::new();
        let mut rest = self.held.as_slice();
        while !rest.is_empty() {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => error,
            };
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            rest = after;
            match error.error_len() {
                // Bytes that no further byte can mend.
                Some(len) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = rest.get(len..).unwrap_or_default();
                }
                None => break,
            }
        }
        self.held = rest.to_vec();
        text
    }

    /// What is left: U+FFFD where a character was never completed. The decoder then begins anew.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }
}
