//! What a row holds, whatever file it comes from.

use serde_json::Value;

/// A value of a row. Pictures out of binary columns and archives stay bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// As it is written.
    Number(String),
    /// UTF-8.
    Text(String),
    /// A picture's, as a rule.
    Bytes(Vec<u8>),
    /// Several.
    List(Vec<Cell>),
    /// Named ones.
    Map(Fields),
}

/// Named values, in order. Of several of one name the first counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields(pub(super) Vec<(String, Cell)>);

impl Fields {
    /// The value of this name; null counts as absent.
    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, cell)| cell).filter(|cell| !matches!(cell, Cell::Null))
    }

    /// Takes the value of this name out; null counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Cell> {
        let (_, cell) = self.0.iter_mut().find(|(key, _)| key == name)?;
        Some(std::mem::replace(cell, Cell::Null)).filter(|cell| !matches!(cell, Cell::Null))
    }

    /// Whether there is a field of this name, be it null.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

impl Cell {
    /// A text, a number as it is written, or `true` or `false`; none of others.
    pub fn plain(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(is) => Some(is.to_string()),
            _ => None,
        }
    }

    /// What it is, for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Value::Object(map) => Self::Map(Fields(map.into_iter().map(|(key, value)| (key, value.into())).collect())),
        }
    }
}

/// A row of JSON.
pub(super) fn json(bytes: &[u8]) -> Result<Cell, String> {
    serde_json::from_slice::<Value>(bytes).map(Cell::from).map_err(|e| format!("not valid JSON: {e}"))
}

/// Bytes that should be UTF-8.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes)
        .map_err(|e| format!("not UTF-8 (byte {}); UTF-8 would be right", e.utf8_error().valid_up_to()))
}
