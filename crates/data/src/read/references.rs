//! What a row tells of its answers besides their text.

use super::{
    Columns, answer,
    cell::{Cell, Fields},
    layout::{Layout, layout},
    rows,
};
use crate::{Content, References, Sample};
use std::path::Path;

/// The column of skills, where none is named.
pub(super) const SKILL: &str = "skill";
/// The column of other right answers.
pub(super) const ALSO: &str = "also";
/// The column of annotators' answers, beside one that holds the answer.
const ANNOTATORS: &str = "answers";

/// A row's sample, and what it tells of each answer.
///
/// # Errors
/// As [`rows::sample`]; and where `skill` or `also` is neither one for all answers nor a list of one for each.
pub(super) fn with_references(
    row: Cell,
    columns: &Columns,
    folder: &Path,
) -> Result<(Sample, Vec<References>), String> {
    let (mut skill, mut also, mut annotators) = (None, None, Vec::new());
    let name = columns.skill.as_deref().unwrap_or(SKILL);
    if let Cell::Map(fields) = &row {
        if columns.skill.is_some() && !fields.names(name) {
            return Err(format!("`{name}` is missing"));
        }
        (skill, also) = (fields.get(name).cloned(), fields.get(ALSO).cloned());
        annotators = given(fields, columns);
    }
    let sample = rows::sample(row, columns, folder)?;
    let mut references = sample.references();
    let count = references.len();
    if let Some(cell) = skill {
        let each = skills(cell, count).ok_or_else(|| misfit(name, "a text", count))?;
        references.iter_mut().zip(each).for_each(|(answer, skill)| answer.skill = skill);
    }
    if let Some(cell) = also {
        let each = others(cell, count).ok_or_else(|| misfit(ALSO, "a list of texts", count))?;
        references.iter_mut().zip(each).for_each(|(answer, also)| answer.also = also);
    }
    if let [answer] = references.as_mut_slice() {
        answer.annotators = annotators;
    }
    Ok((sample, references))
}

fn misfit(name: &str, one: &str, count: usize) -> String {
    match count {
        1 => format!("`{name}` is not {one}, as would be right for one answer"),
        _ => format!("`{name}` has not {one} for each of {count} answers, in a list, as would be right"),
    }
}

/// The answers of a list: of the answer's own column, or of `answers` beside it.
fn given(fields: &Fields, columns: &Columns) -> Vec<String> {
    let answer = match layout(&|name| fields.get(name).is_some(), columns) {
        Ok(Layout::Asked { answer, .. } | Layout::Prompted { answer }) => answer,
        _ => ANNOTATORS.to_owned(),
    };
    let list = |name: &str| match fields.get(name) {
        Some(Cell::List(list)) => answer::texts(name, list.clone()).ok(),
        _ => None,
    };
    list(&answer).or_else(|| list(ANNOTATORS)).unwrap_or_default()
}

/// The skill of each answer.
fn skills(cell: Cell, count: usize) -> Option<Vec<Option<String>>> {
    let named = |cell: Cell| match cell {
        Cell::Null => Some(None),
        cell => word(cell).map(|text| Some(text).filter(|text| !text.trim().is_empty())),
    };
    match cell {
        Cell::List(list) => list.into_iter().map(named).collect::<Option<Vec<_>>>().filter(|each| each.len() == count),
        cell => named(cell).map(|skill| vec![skill; count]),
    }
}

/// Other right answers to each question. Of a single question they need not stand in a list of their own.
fn others(cell: Cell, count: usize) -> Option<Vec<Vec<String>>> {
    let all = |cell: Cell| match cell {
        Cell::Null => Some(Vec::new()),
        Cell::List(list) => list.into_iter().map(word).collect(),
        cell => word(cell).map(|text| vec![text]),
    };
    let nested = |list: &[Cell]| list.iter().any(|cell| matches!(cell, Cell::List(_)));
    match cell {
        Cell::List(list) if count != 1 || nested(&list) => {
            list.into_iter().map(all).collect::<Option<Vec<_>>>().filter(|each| each.len() == count)
        }
        cell if count == 1 => all(cell).map(|all| vec![all]),
        _ => None,
    }
}

fn word(cell: Cell) -> Option<String> {
    match cell {
        Cell::Text(text) | Cell::Number(text) => Some(text),
        _ => None,
    }
}

impl Sample {
    /// What is told of each answer where nothing is: one for each turn of the assistant.
    pub(crate) fn references(&self) -> Vec<References> {
        match &self.content {
            Content::Document(_) => Vec::new(),
            Content::Chat(messages) => {
                let answers = messages.iter().filter(|message| message.role == "assistant").count();
                vec![References::default(); answers]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::cell;

    fn read(json: &str, columns: &Columns) -> Result<Vec<References>, String> {
        with_references(cell::json(json.as_bytes())?, columns, Path::new("")).map(|(_, references)| references)
    }

    fn told(skill: &str, annotators: &[&str], also: &[&str]) -> References {
        let all = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let skill = Some(skill.to_owned()).filter(|skill| !skill.is_empty());
        References { skill, annotators: all(annotators), also: all(also) }
    }

    fn chat(turns: usize, more: &str) -> String {
        let turn = r#"{"role":"user","content":"Q"},{"role":"assistant","content":"A"}"#;
        format!(r#"{{"messages":[{}]{more}}}"#, vec![turn; turns].join(","))
    }

    #[test]
    fn skills_and_other_answers() {
        let plain = Columns::default();
        let two = |first, second| Ok(vec![first, second]);
        for (json, expected) in [
            (chat(1, ""), Ok(vec![told("", &[], &[])])),
            (chat(1, r#","skill":"count","also":["three","3"]"#), Ok(vec![told("count", &[], &["three", "3"])])),
            (chat(1, r#","skill":["count"],"also":[["three"]]"#), Ok(vec![told("count", &[], &["three"])])),
            (chat(1, r#","skill":7,"also":3"#), Ok(vec![told("7", &[], &["3"])])),
            (chat(1, r#","skill":" ","also":[]"#), Ok(vec![told("", &[], &[])])),
            (chat(2, r#","skill":"count""#), two(told("count", &[], &[]), told("count", &[], &[]))),
            (
                chat(2, r#","skill":["a",null],"also":[null,["x","y"]]"#),
                two(told("a", &[], &[]), told("", &[], &["x", "y"])),
            ),
            (chat(2, r#","also":["x",2],"answers":["p","q"]"#), two(told("", &[], &["x"]), told("", &[], &["2"]))),
            (
                r#"{"question":"Q","answers":["c","b","a","b"]}"#.to_owned(),
                Ok(vec![told("", &["c", "b", "a", "b"], &[])]),
            ),
            (
                r#"{"question":"Q","multiple_choice_answer":"b","answers":[{"answer":"c"},{"answer":"b"}]}"#.to_owned(),
                Ok(vec![told("", &["c", "b"], &[])]),
            ),
            (r#"{"question":"Q","label":["12"],"answers":"12"}"#.to_owned(), Ok(vec![told("", &[], &[])])),
            (r#"{"text":"T","skill":"s"}"#.to_owned(), Ok(Vec::new())),
            (r#"{"texts":["T",null],"images":[null,"a"],"skill":"s"}"#.to_owned(), Ok(Vec::new())),
        ] {
            assert_eq!(read(&json, &plain), expected, "{json}");
        }
        let named = Columns { skill: Some("topic".to_owned()), ..Columns::default() };
        assert_eq!(read(&chat(1, r#","topic":"t","skill":"s""#), &named), Ok(vec![told("t", &[], &[])]));
        assert!(read(&chat(1, r#","skill":"s""#), &named).unwrap_err().contains("`topic` is missing"));
    }

    #[test]
    fn what_does_not_fit_the_answers() {
        for (turns, more, says) in [
            (1, r#","skill":{}"#, "`skill` is not a text"),
            (1, r#","skill":["a","b"]"#, "`skill` is not a text"),
            (2, r#","skill":["a"]"#, "`skill` has not a text for each of 2 answers"),
            (1, r#","also":[{}]"#, "`also` is not a list of texts"),
            (1, r#","also":[["a"],["b"]]"#, "`also` is not a list of texts"),
            (2, r#","also":["a"]"#, "`also` has not a list of texts for each of 2 answers"),
            (2, r#","also":"a""#, "`also` has not"),
        ] {
            let error = read(&chat(turns, more), &Columns::default()).unwrap_err();
            assert!(error.contains(says), "{more}: {error}");
        }
    }
}
