//! How large a JSON Schema becomes when it is written out. A reference beside other keywords, and schemas that hold
//! together (`allOf`), are put into each other by the library before any of its limits counts them: a hundred bytes a
//! level double what the level below has. Here it is foreseen, by bounds, and refused.

use super::{Form, GrammarError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most parts of a schema, written out.
const PARTS: u64 = 2_000_000;
/// The deepest that schemas, written out, lie in each other, references followed for the first time included.
const DEPTH: usize = 1024;
/// The most alternatives of a `oneOf`: each is compared with each.
const ONE_OF: usize = 500;
/// The most comparisons of `patternProperties`, each with each, wherever two schemas hold together.
const COMPARED: u64 = 100_000;

/// Keywords that say nothing of what is valid.
const ANNOTATIONS: [&str; 15] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "description",
    "examples",
    "id",
    "readOnly",
    "title",
    "writeOnly",
];

/// Refuses a schema that would be too large.
pub(super) fn check(form: &Form, schema: &Value) -> Result<(), GrammarError> {
    let mut walk = Walk { form, root: schema, nodes: nodes(schema), known: BTreeMap::new(), patterns: 0 };
    let size = walk.size(schema, 0)?;
    let parts = walk.known.values().flatten().fold(size.parts, |sum, size| sum.saturating_add(size.parts));
    if parts > PARTS {
        return Err(too_large(form, format!("written out, it has more than {PARTS} parts")));
    }
    if walk.patterns.saturating_pow(2).saturating_mul(parts) > COMPARED {
        return Err(too_large(form, format!("its `patternProperties` would be compared more than {COMPARED} times")));
    }
    Ok(())
}

/// Refuses a Lark grammar with a schema in it (`%json {…}`) that would be too large.
pub(super) fn check_within(form: &Form, grammar: &str) -> Result<(), GrammarError> {
    const BEFORE: &str = "%json";
    for (at, _) in grammar.match_indices(BEFORE) {
        let rest = grammar.get(at + BEFORE.len()..).unwrap_or_default();
        // What is no JSON here is no schema, or is refused by the grammar's own reader.
        if let Some(Ok(schema)) = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next() {
            check(form, &schema)?;
        }
    }
    Ok(())
}

fn too_large(form: &Form, what: String) -> GrammarError {
    GrammarError::TooLarge { form: form.name(), what }
}

/// A bound of what a schema becomes.
#[derive(Clone, Copy)]
struct Size {
    /// What it is made of, a reference being one part.
    parts: u64,
    /// As much, with what references stand for.
    full: u64,
    /// Whether anything in it is one of several: then what it holds together with is copied for each.
    chooses: bool,
    /// Whether anything in it stands within itself.
    recursive: bool,
    height: usize,
}

impl Size {
    const ONE: Size = Size { parts: 1, full: 1, chooses: false, recursive: false, height: 1 };

    /// Of something beside something.
    fn beside(self, other: Size) -> Size {
        Size {
            parts: self.parts.saturating_add(other.parts),
            full: self.full.saturating_add(other.full),
            chooses: self.chooses || other.chooses,
            recursive: self.recursive || other.recursive,
            height: self.height.max(other.height),
        }
    }
}

struct Walk<'a> {
    form: &'a Form,
    root: &'a Value,
    /// Values in all of it.
    nodes: u64,
    /// What references stand for; nothing while it is looked at.
    known: BTreeMap<&'a str, Option<Size>>,
    /// All `patternProperties`.
    patterns: u64,
}

impl<'a> Walk<'a> {
    fn size(&mut self, schema: &'a Value, depth: usize) -> Result<Size, GrammarError> {
        if depth > DEPTH {
            return Err(self.too_deep());
        }
        let Value::Object(fields) = schema else { return Ok(Size::ONE) };
        let mut size = self.own(fields, depth)?;
        for (key, value) in fields {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            match (key.as_str(), value) {
                ("allOf", _) => {
                    for part in list {
                        let part = self.size(part, depth + 1)?;
                        size = Some(self.both(size, part)?);
                    }
                }
                ("anyOf" | "oneOf", _) => {
                    if key == "oneOf" && list.len() > ONE_OF {
                        let what = format!("a `oneOf` in it has more than {ONE_OF} alternatives");
                        return Err(too_large(self.form, what));
                    }
                    let mut sum = Size { chooses: true, ..Size::ONE };
                    for part in list {
                        sum = sum.beside(self.size(part, depth + 1)?);
                    }
                    size = Some(self.both(size, sum)?);
                }
                ("enum", _) => {
                    let each = list.len() as u64;
                    size = Some(self.both(size, Size { parts: each, full: each, chooses: true, ..Size::ONE })?);
                }
                ("$ref", Value::String(name)) => {
                    let target = self.target(name, depth)?;
                    size = Some(self.both(size, Size { parts: 1, ..target })?);
                }
                _ => {}
            }
        }
        let size = size.unwrap_or(Size::ONE);
        if size.height >= DEPTH {
            return Err(self.too_deep());
        }
        Ok(Size { height: size.height + 1, ..size.beside(Size { height: 0, ..Size::ONE }) })
    }

    /// Of what must hold together.
    fn both(&self, one: Option<Size>, other: Size) -> Result<Size, GrammarError> {
        let Some(one) = one else { return Ok(other) };
        if one.recursive && other.recursive {
            let what = "two schemas hold together that are both recursive, by `allOf` or by keywords beside `$ref`";
            return Err(GrammarError::wrong(self.form, what));
        }
        let beside = one.beside(other);
        // What is recursive is written out as deep as the other is.
        let full = |size: Size| if size.recursive { size.full.max(self.nodes) } else { size.full };
        let copies = beside.chooses || beside.recursive;
        let parts = if copies { full(one).saturating_mul(full(other)) } else { beside.full };
        Ok(Size { parts, full: parts, ..beside })
    }

    /// Of what its keywords but for `allOf` and the like ask for; `None` where there are none.
    fn own(&mut self, fields: &'a Map<String, Value>, depth: usize) -> Result<Option<Size>, GrammarError> {
        let mut own: Option<Size> = None;
        for (key, value) in fields {
            if ANNOTATIONS.contains(&key.as_str()) || is_applicator(key) {
                continue;
            }
            let mut size = own.unwrap_or(Size::ONE);
            match (key.as_str(), value) {
                ("properties" | "patternProperties", Value::Object(of)) => {
                    if key == "patternProperties" {
                        self.patterns = self.patterns.saturating_add(of.len() as u64);
                    }
                    for value in of.values() {
                        size = size.beside(self.size(value, depth + 1)?);
                    }
                }
                ("items" | "prefixItems", Value::Array(of)) => {
                    for value in of {
                        size = size.beside(self.size(value, depth + 1)?);
                    }
                }
                ("items" | "additionalItems" | "additionalProperties", value) => {
                    size = size.beside(self.size(value, depth + 1)?);
                }
                _ => {}
            }
            // Without a type it can be any.
            size.chooses |= !fields.get("type").is_some_and(Value::is_string);
            own = Some(size);
        }
        Ok(own)
    }

    /// Of what a reference stands for.
    fn target(&mut self, name: &'a str, depth: usize) -> Result<Size, GrammarError> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.unwrap_or(Size { recursive: true, ..Size::ONE }));
        }
        // The library says what is wrong with one that stands for nothing.
        let Some(target) = resolve(self.root, name) else { return Ok(Size::ONE) };
        self.known.insert(name, None);
        let size = self.size(target, depth + 1)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }

    fn too_deep(&self) -> GrammarError {
        too_large(self.form, format!("schemas in it lie more than {DEPTH} deep in each other, references included"))
    }
}

/// What a reference of the form `#/…` stands for, as the library finds it.
fn resolve<'a>(root: &'a Value, name: &str) -> Option<&'a Value> {
    if name == "#" || name == "#/" {
        return Some(root);
    }
    name.strip_prefix("#/")?.split('/').try_fold(root, |value, part| match value {
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    })
}

/// Keywords that hold together with all others beside them.
fn is_applicator(key: &str) -> bool {
    ["allOf", "anyOf", "oneOf", "enum", "const", "$ref"].contains(&key)
}

/// How many values there are in one.
fn nodes(value: &Value) -> u64 {
    let within: u64 = match value {
        Value::Array(list) => list.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    };
    within + 1
}
