//! Schemas, regular expressions and Lark grammars, and an answer's way through them.

use crate::files;
use smolvlm_engine::grammar::{Form, Grammar, Vocabulary};
use smolvlm_processor::Tokenizer;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// A small tokenizer of SmolVLM's kind.
const TOKENIZER: &str = include_str!("../../../golden/idefics3-256m/tokenizer.json");
/// The most tokens of an answer.
const TOKENS: usize = 24;

/// A tokenizer, the tokens that end its answers, and what grammars are told of it.
struct Tokens {
    tokenizer: Tokenizer,
    ends: BTreeSet<u32>,
    vocabulary: Vocabulary,
}

fn tokens() -> Option<&'static Tokens> {
    static TOKENS: OnceLock<Option<Tokens>> = OnceLock::new();
    let made = TOKENS.get_or_init(|| {
        let tokenizer = Tokenizer::from_json("tokenizer.json", TOKENIZER).ok()?;
        let ends = BTreeSet::from([tokenizer.token_to_id("<end_of_utterance>")?]);
        Some(Tokens { tokenizer, ends, vocabulary: Vocabulary::default() })
    });
    made.as_ref()
}

/// A schema (it begins with a brace), a regular expression (with a slash, which is not part of it), or a Lark grammar; and,
/// as the second part, which of the tokens that it lets through come.
pub(crate) fn grammar(bytes: &[u8]) {
    let files = files(bytes, &["grammar", "choices"]);
    let part = |name| files.map(name).map(|part| part.to_vec()).unwrap_or_default();
    let text = String::from_utf8_lossy(&part("grammar")).into_owned();
    let form = match text.strip_prefix('/') {
        Some(regex) => Form::Regex(regex.into()),
        None if text.starts_with('{') => Form::JsonSchema(text),
        None => Form::Lark(text),
    };
    let tokens = tokens();
    assert!(tokens.is_some(), "the golden tokenizer is gone");
    if let Some(Tokens { tokenizer, ends, vocabulary }) = tokens
        && let Ok(grammar) = vocabulary.read(tokenizer, ends, &form)
    {
        follow(&grammar, tokenizer.len(), ends, &part("choices"));
    }
}

/// Goes on by tokens that are let through, as far as there are any.
fn follow(grammar: &Grammar, tokens: usize, ends: &BTreeSet<u32>, choices: &[u8]) {
    let mut follower = grammar.begin();
    for step in 0..TOKENS {
        let mut scores = vec![0.0; tokens];
        if follower.mask(&mut scores).is_err() {
            return;
        }
        let open: Vec<u32> = (0..).zip(&scores).filter(|(_, score)| **score == 0.0).map(|(id, _)| id).collect();
        assert!(!open.is_empty(), "a mask of nothing is no error");
        let choice = choices.get(step).copied().map_or(0, usize::from);
        let Some(&id) = open.get(choice % open.len()) else { return };
        let Ok(allowed) = follower.allows(id) else { return };
        assert!(allowed, "the mask lets token {id} through, but it may not come");
        let Ok(whole) = follower.add(id) else { return };
        if whole || ends.contains(&id) {
            return;
        }
    }
}
