//! What grammars are told of the model's tokens: the bytes of each, as a tree, and which end an answer. It is worked out
//! once a model, when the first grammar is read.

use super::follow::Grammar;
use super::{Form, GrammarError, bounds, schema};
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use smolvlm_processor::Tokenizer;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// Longer tokens are left out: the tree is not made for them, and no tokenizer has any.
const LONGEST: usize = 512;

/// Stack for reading a grammar: its parser calls itself as deep as the grammar is nested.
const STACK: usize = 64 << 20;

/// White space between the parts of JSON: a space, or one line's end with its indentation. Small models left to it would
/// write nothing else.
const SPACE: &str = r" |\r?\n[ \t]{0,32}";

/// The most states of a grammar's words that an answer may visit: some kilobytes each.
const STATES: usize = 50_000;

/// The most work of putting a grammar's words together, in the library's measure.
const FUEL: u64 = 100_000;

/// The tokens, looked at when they are first asked for.
///
/// An engine has its own; whoever has a tokenizer alone can make one.
#[derive(Default)]
pub struct Vocabulary {
    factory: OnceLock<Result<ParserFactory, String>>,
}

impl Vocabulary {
    /// Reads a grammar over these tokens, of which some end an answer: always the same ones.
    ///
    /// # Errors
    /// It is wrong, asks for what is not supported, or is too large.
    pub fn read(&self, tokens: &Tokenizer, ends: &BTreeSet<u32>, form: &Form) -> Result<Grammar, GrammarError> {
        let (bytes, most) = (form.text().len(), form.most_bytes());
        if bytes > most {
            return Err(GrammarError::TooLong { form: form.name(), bytes, most });
        }
        let factory = self.factory.get_or_init(|| factory(tokens, ends));
        let factory = factory.as_ref().map_err(|said| GrammarError::wrong(form, said))?;
        deep(|| read(factory, form))
    }
}

impl Form {
    /// What it is, in words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Form::JsonObject | Form::JsonSchema(_) => "JSON Schema",
            Form::Regex(_) => "regular expression",
            Form::Lark(_) => "Lark grammar",
        }
    }

    /// The most bytes of its text. An expression's work grows by the square of its length.
    fn most_bytes(&self) -> usize {
        match self {
            Form::JsonObject | Form::JsonSchema(_) => 64 << 10,
            Form::Regex(_) => 8 << 10,
            Form::Lark(_) => 32 << 10,
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Form::JsonObject => r#"{"type": "object"}"#,
            Form::JsonSchema(text) | Form::Regex(text) | Form::Lark(text) => text,
        }
    }
}

/// Does it on a thread with stack enough, or on this one where there are no threads.
fn deep<T: Send>(work: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &work) {
        Ok(running) => running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(_) => work(),
    })
}

fn read(factory: &ParserFactory, form: &Form) -> Result<Grammar, GrammarError> {
    let grammar = match form {
        Form::JsonObject | Form::JsonSchema(_) => TopLevelGrammar::from_json_schema(schema_of(form)?),
        Form::Regex(text) => TopLevelGrammar::from_regex(text),
        Form::Lark(text) => TopLevelGrammar::from_lark(schema::checked_within(form, text)?),
    };
    let parser = factory.create_parser(grammar).map_err(|e| GrammarError::wrong(form, &e.to_string()))?;
    Grammar::new(form.name(), Matcher::new(Ok(parser)))
}

/// A schema, checked, with what is asked of JSON beside it.
fn schema_of(form: &Form) -> Result<Value, GrammarError> {
    let text = form.text();
    let mut schema: Value =
        serde_json::from_str(text).map_err(|e| GrammarError::wrong(form, &format!("not valid JSON: {e}")))?;
    schema::check(form, &schema)?;
    bounds::include(&mut schema);
    if schema == Value::Bool(true) {
        schema = json!({});
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("x-guidance".into(), json!({ "whitespace_pattern": SPACE }));
    }
    Ok(schema)
}

fn factory(tokenizer: &Tokenizer, ends: &BTreeSet<u32>) -> Result<ParserFactory, String> {
    let env: TokEnv = Arc::new(ApproximateTokEnv::new(tree(tokenizer, ends)?));
    let mut factory = ParserFactory::new_simple(&env).map_err(|e| e.to_string())?;
    *factory.limits_mut() = ParserLimits {
        max_lexer_states: STATES,
        initial_lexer_fuel: FUEL,
        verbose_errors: false,
        ..ParserLimits::default()
    };
    factory.quiet();
    Ok(factory)
}

/// The tree of the tokens' bytes. Special and other added tokens stand in it under their names, which no text reaches: a
/// Lark grammar can name them.
fn tree(tokenizer: &Tokenizer, ends: &BTreeSet<u32>) -> Result<TokTrie, String> {
    const MARKER: u8 = TokTrie::SPECIAL_TOKEN_MARKER;
    let mut words: Vec<Vec<u8>> = (0..tokenizer.len() as u32)
        .map(|id| tokenizer.token_bytes(id).unwrap_or_default())
        .map(|word| if word.len() > LONGEST || word.contains(&MARKER) { Vec::new() } else { word })
        .collect();
    for (name, id) in tokenizer.added_tokens() {
        if let Some(word) = words.get_mut(id as usize) {
            *word = if name.len() < LONGEST { [&[MARKER], name.as_bytes()].concat() } else { Vec::new() };
        }
    }
    let ends: Vec<u32> = ends.iter().copied().filter(|&id| (id as usize) < words.len()).collect();
    let Some(&end) = ends.first() else { return Err("no token of the model ends an answer".into()) };
    Ok(TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words).with_eos_tokens(&ends))
}
