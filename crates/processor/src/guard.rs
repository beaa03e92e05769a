//! Keeps markers and special tokens that a user types from becoming such.
//!
//! A *mark*, a character that occurs nowhere in the chat, is put inside every added token that a text spells, and at a
//! text's edge where it could complete one together with its neighbours. The template then renders the marked chat;
//! only added tokens that the template itself wrote are still whole. They become ids, the marks fall out of what lies
//! between them, and that is read as plain text.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use crate::{
    Error, Message, Part,
    tokenizer::{Piece, Tokenizer},
};

/// Messages whose typed tokens are broken by a mark.
pub(crate) struct Guarded<'m> {
    messages: Cow<'m, [Message]>,
    /// The mark, where any was needed.
    mark: Option<char>,
}

impl<'m> Guarded<'m> {
    /// Leaves the messages as they are: whatever they spell is meant.
    pub(crate) fn off(messages: &'m [Message]) -> Self {
        Self { messages: Cow::Borrowed(messages), mark: None }
    }

    /// Marks the texts of `messages`. `template` must not contain the mark either.
    ///
    /// # Errors
    /// The texts contain each of the 65,600 characters that could serve as a mark.
    pub(crate) fn new(messages: &'m [Message], template: &str, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let tokens = Tokens::new(tokenizer);
        let cuts = |part: &Part| match part {
            Part::Text(text) => tokens.cuts(text),
            Part::Image(_) | Part::Clip(_) | Part::Frame => Vec::new(),
        };
        let cuts: Vec<Vec<Vec<usize>>> = messages.iter().map(|m| m.content.iter().map(cuts).collect()).collect();
        if cuts.iter().flatten().all(Vec::is_empty) {
            return Ok(Self::off(messages));
        }
        let mark = free_character(messages, template)?;
        let mut messages = messages.to_vec();
        for (message, cuts) in messages.iter_mut().zip(&cuts) {
            for (part, cuts) in message.content.iter_mut().zip(cuts) {
                if let Part::Text(text) = part {
                    *text = marked(text, cuts, mark);
                }
            }
        }
        Ok(Self { messages: Cow::Owned(messages), mark: Some(mark) })
    }

    /// What the template is to render.
    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The rendered chat as it is meant to be read.
    pub(crate) fn unmarked(&self, rendered: &str) -> String {
        match self.mark {
            Some(mark) => rendered.replace(mark, ""),
            None => rendered.to_owned(),
        }
    }

    /// The ids of the rendered chat.
    pub(crate) fn encode(&self, rendered: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>, Error> {
        let Some(mark) = self.mark else { return tokenizer.encode_special(rendered) };
        let mut ids = Vec::new();
        let mut between = String::new();
        let mut pieces = tokenizer.pieces(rendered).into_iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                // A token of one letter cannot be broken from inside: its mark stands behind it.
                Piece::Token(id, slice)
                    if !slice.contains(mark)
                        && !matches!(pieces.peek(), Some(Piece::Text(next)) if next.starts_with(mark) && slice.chars().count() == 1) =>
                {
                    ids.extend(tokenizer.encode_plain(&std::mem::take(&mut between))?);
                    ids.push(id);
                }
                Piece::Token(_, slice) | Piece::Text(slice) => between.extend(slice.chars().filter(|&c| c != mark)),
            }
        }
        ids.extend(tokenizer.encode_plain(&between)?);
        Ok(tokenizer.framed(ids))
    }
}

/// The added tokens by their first letter.
struct Tokens<'t> {
    by_first: HashMap<char, Vec<&'t str>>,
    all: Vec<&'t str>,
}

impl<'t> Tokens<'t> {
    fn new(tokenizer: &'t Tokenizer) -> Self {
        let all: Vec<&str> = tokenizer.added_tokens().map(|(content, _)| content).collect();
        let mut by_first: HashMap<char, Vec<&str>> = HashMap::new();
        for &token in &all {
            if let Some(first) = token.chars().next() {
                by_first.entry(first).or_default().push(token);
            }
        }
        Self { by_first, all }
    }

    /// The places, in bytes and in order, where a text needs a mark: behind the first letter of every token in it,
    /// overlapping ones too, and at an edge where a token may go on beyond the text.
    fn cuts(&self, text: &str) -> Vec<usize> {
        let mut cuts = Vec::new();
        if text.is_empty() {
            return cuts;
        }
        if self.all.iter().any(|token| token.contains(text) || ends_in(token, text)) {
            cuts.push(0);
        }
        for (at, first) in text.char_indices() {
            let (Some(tokens), Some(rest)) = (self.by_first.get(&first), text.get(at..)) else { continue };
            if tokens.iter().any(|token| rest.starts_with(token)) {
                cuts.push(at + first.len_utf8());
            }
            // The text ends within a token.
            if tokens.iter().any(|token| rest.len() < token.len() && token.starts_with(rest)) {
                cuts.push(text.len());
            }
        }
        if self.all.iter().any(|token| token.contains(text)) {
            cuts.push(text.len());
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

/// Whether a proper ending of `token` is a beginning of `text`.
fn ends_in(token: &str, text: &str) -> bool {
    token.char_indices().skip(1).any(|(at, _)| token.get(at..).is_some_and(|ending| text.starts_with(ending)))
}

/// A noncharacter or private character that occurs nowhere.
fn free_character(messages: &[Message], template: &str) -> Result<char, Error> {
    let texts = messages.iter().flat_map(|m| &m.content).filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Image(_) | Part::Clip(_) | Part::Frame => None,
    });
    let taken: HashSet<char> = texts.chain([template]).flat_map(str::chars).filter(|c| !c.is_ascii()).collect();
    let mut marks = ('\u{FDD0}'..='\u{FDEF}').chain('\u{F0000}'..='\u{FFFFD}');
    marks.find(|mark| !taken.contains(mark)).ok_or_else(|| Error::Messages {
        reason: "the texts contain every private character there is; one must be left for internal use".to_owned(),
    })
}

fn marked(text: &str, cuts: &[usize], mark: char) -> String {
    let mut out = String::with_capacity(text.len() + 4 * cuts.len());
    let mut from = 0;
    for &cut in cuts {
        out.push_str(text.get(from..cut).unwrap_or_default());
        out.push(mark);
        from = cut;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
