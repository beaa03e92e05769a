//! The text of a column: a question, an answer, one of several answers.

use super::{
    Columns,
    cell::{self, Cell},
};
use std::collections::HashMap;

/// The text of a column: itself, a number's, or of a list the most common, of equally common ones the first.
///
/// The elements of such a list are texts, or objects with an `answer` or a `text`, as VQAv2's ten annotators gave them.
pub(super) fn text(name: &str, cell: Cell, columns: &Columns) -> Result<String, String> {
    match cell {
        Cell::Text(text) => Ok(text),
        Cell::Bytes(bytes) => cell::text(bytes).map_err(|what| format!("`{name}`: {what}")),
        Cell::Number(_) if name == "label" && columns.answer.is_none() => {
            Err("`label` is a number, which tells a class by its place in a list; a column of texts would be right"
                .to_owned())
        }
        Cell::Number(number) => Ok(number),
        Cell::List(list) => most_common(texts(name, list)?).ok_or_else(|| format!("`{name}` is empty")),
        other => Err(format!("`{name}` is {}; a text would be right", other.kind())),
    }
}

/// The texts of such a list.
pub(super) fn texts(name: &str, list: Vec<Cell>) -> Result<Vec<String>, String> {
    let texts = list.into_iter().map(|cell| match cell {
        Cell::Map(mut fields) => fields.take("answer").or_else(|| fields.take("text")).unwrap_or(Cell::Null),
        cell => cell,
    });
    let texts = texts.map(|cell| match cell {
        Cell::Text(text) => Ok(text),
        other => Err(format!("an element of `{name}` is {}; a text would be right", other.kind())),
    });
    texts.collect()
}

fn most_common(texts: Vec<String>) -> Option<String> {
    let mut counts: HashMap<&str, (usize, std::cmp::Reverse<usize>)> = HashMap::new();
    for (index, text) in texts.iter().enumerate() {
        counts.entry(text).or_insert((0, std::cmp::Reverse(index))).0 += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(text, _)| text.to_owned())
}
