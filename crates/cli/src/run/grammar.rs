//! What an answer is bound to: flags, and rows of a batch, that ask for JSON or for text of a grammar.

use crate::error::Error;
use crate::options::read_text;
use smolvlm_engine::{Answer, Form, Request, StopReason};
use std::io::Write;

/// The most MiB of a file: the engine refuses far less, and says how much.
const FILE: u64 = 1;

/// The names of the settings here.
pub(super) const FORMS: [&str; 4] = ["json_object", "json_schema", "regex", "lark"];

/// What an answer is to be. The grammar acts before all other settings: they choose among what it lets through.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "form", multiple = false)]
pub(super) struct GrammarArgs {
    /// The answer is one JSON object
    #[arg(long)]
    json_object: bool,
    /// The answer is JSON that this schema describes: a file, or the schema itself
    #[arg(long, value_name = "FILE|JSON", allow_hyphen_values = true)]
    json_schema: Option<String>,
    /// The answer is text that this regular expression matches from end to end
    #[arg(long, value_name = "RE", allow_hyphen_values = true)]
    regex: Option<String>,
    /// The answer is text of this Lark grammar: a file, or the grammar itself
    #[arg(long, value_name = "FILE|GRAMMAR", allow_hyphen_values = true)]
    lark: Option<String>,
}

impl GrammarArgs {
    /// With the texts of files in place of their names.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn read(&mut self) -> Result<(), Error> {
        if let Some(schema) = self.json_schema.as_mut().filter(|text| is_no_schema(text)) {
            *schema = read_text(schema, FILE)?;
        }
        if let Some(grammar) = self.lark.as_mut().filter(|text| is_no_lark(text)) {
            *grammar = read_text(grammar, FILE)?;
        }
        Ok(())
    }

    /// Looks for what a row may not have: files, which are of the call.
    ///
    /// # Errors
    /// It names one.
    pub(super) fn check_row(&self) -> Result<(), Error> {
        if self.json_schema.as_deref().is_some_and(is_no_schema) {
            return Error::usage("`json_schema` of a row is the schema itself, and an object");
        }
        if self.lark.as_deref().is_some_and(is_no_lark) {
            return Error::usage("`lark` of a row is the grammar itself, and has a rule `start:`");
        }
        Ok(())
    }

    /// What is asked for, if anything is.
    pub(super) fn form(&self) -> Option<Form> {
        let GrammarArgs { json_object, json_schema, regex, lark } = self;
        let json_object = json_object.then_some(Form::JsonObject);
        json_object
            .or_else(|| json_schema.clone().map(Form::JsonSchema))
            .or_else(|| regex.clone().map(Form::Regex))
            .or_else(|| lark.clone().map(Form::Lark))
    }
}

/// Whether a text is a file's name and no schema.
fn is_no_schema(text: &str) -> bool {
    let text = text.trim_start();
    !(text.starts_with('{') || ["true", "false"].contains(&text.trim_end()))
}

/// Whether a text is a file's name and no grammar: every grammar has a rule of this name.
fn is_no_lark(text: &str) -> bool {
    !text.lines().any(|line| line.trim_start().strip_prefix("start").is_some_and(|rest| rest.contains(':')))
}

/// Whether an answer that is bound to a form was cut off before it was whole.
pub(super) fn is_cut(answer: &Answer) -> bool {
    answer.stop_reason != StopReason::EndOfTurn
}

/// Says on stderr which answers were cut off before they were whole.
pub(super) fn note_cuts(answers: &[Answer], request: &Request) {
    if request.grammar.is_none() {
        return;
    }
    for (number, answer) in (1..).zip(answers).filter(|(_, answer)| is_cut(answer)) {
        let which = if answers.len() > 1 { format!("answer {number}") } else { "the answer".into() };
        let why = match answer.stop_reason {
            StopReason::MaxTokens => "reached its limit of tokens (-n N sets another)",
            StopReason::ContextFull => "reached the end of the context",
            _ => "was ended",
        };
        let _ = writeln!(std::io::stderr(), "{which} {why} before its form was whole");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_of_files_are_told_apart() {
        for schema in ["{}", " {\"type\": 1}", "true", "false\n"] {
            assert!(!is_no_schema(schema), "{schema}");
        }
        for file in ["schema.json", "dir/{a}", "", "truest"] {
            assert!(is_no_schema(file), "{file}");
        }
        for grammar in ["start: \"a\"", "%ignore / /\n  start : a\na: \"b\"", "a: \"b\"\nstart[lazy]: a"] {
            assert!(!is_no_lark(grammar), "{grammar}");
        }
        for file in ["start.lark", "grammars/start", "C:/start", ""] {
            assert!(is_no_lark(file), "{file}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let mut args = GrammarArgs { lark: Some("nowhere.lark".into()), ..GrammarArgs::default() };
        assert!(args.read().unwrap_err().to_string().contains("nowhere.lark"));
    }
}
