//! How large a JSON Schema becomes when it is written out. A reference beside other keywords, and schemas that hold
//! together (`allOf`), are put into each other by the library before any of its limits counts them: a hundred bytes a
//! level double what the level below has. Here it is foreseen, by bounds, and refused.

use super::{Form, GrammarError, bounds};
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

/// The largest `multipleOf`, its digits behind the point counted twice: the library's arithmetic is of 32 bits, unchecked.
const MULTIPLE: u64 = 200_000_000;

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

/// A Lark grammar, with the schemas in it (`%json {…}`) as [`bounds::include`] has them.
///
/// # Errors
/// One of them would be too large.
pub(super) fn checked_within(form: &Form, grammar: &str) -> Result<String, GrammarError> {
    const BEFORE: &str = "%json";
    let mut checked = String::new();
    let mut rest = grammar;
    while let Some((before, behind)) = rest.split_once(BEFORE) {
        checked.push_str(before);
        checked.push_str(BEFORE);
        rest = behind;
        let mut reader = serde_json::Deserializer::from_str(behind).into_iter::<Value>();
        // What is no JSON here is no schema, or is refused by the grammar's own reader.
        let Some(Ok(schema)) = reader.next() else { continue };
        check(form, &schema)?;
        let mut included = schema.clone();
        bounds::include(&mut included);
        if included != schema {
            let (_, after) = behind.split_at_checked(reader.byte_offset()).unwrap_or_default();
            checked.push_str(&format!(" {included}"));
            rest = after;
        }
    }
    Ok(checked + rest)
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
    /// The largest `multipleOf` in it, as [`multiple`] gives it; 1 where there is none.
    multiple: u64,
}

impl Size {
    const ONE: Size = Size { parts: 1, full: 1, chooses: false, recursive: false, height: 1, multiple: 1 };

    /// Of something beside something.
    fn beside(self, other: Size) -> Size {
        Size {
            parts: self.parts.saturating_add(other.parts),
            full: self.full.saturating_add(other.full),
            chooses: self.chooses || other.chooses,
            recursive: self.recursive || other.recursive,
            height: self.height.max(other.height),
            multiple: self.multiple.max(other.multiple),
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
        let multiple = one.multiple.saturating_mul(other.multiple);
        self.check_multiple(multiple)?;
        Ok(Size { parts, full: parts, multiple, ..beside })
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
                ("multipleOf", value) => {
                    let multiple = multiple(value.as_f64().unwrap_or(1.0));
                    self.check_multiple(multiple)?;
                    size.multiple = multiple;
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

    fn check_multiple(&self, multiple: u64) -> Result<(), GrammarError> {
        let what = || format!("a `multipleOf`, or several that hold together, have more digits than {MULTIPLE} has");
        if multiple > MULTIPLE { Err(too_large(self.form, what())) } else { Ok(()) }
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

/// A number without its point, times ten for each digit that was behind it.
fn multiple(number: f64) -> u64 {
    let (mut number, mut scale) = (number.abs(), 1.0);
    while libm::trunc(number) != number && number < MULTIPLE as f64 {
        number *= 10.0;
        scale *= 10.0;
    }
    (number * scale) as u64
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

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(schema: &str) -> Result<(), String> {
        let form = Form::JsonSchema(String::new());
        check(&form, &serde_json::from_str(schema).unwrap()).map_err(|e| e.to_string())
    }

    /// Definitions a0 … of objects that each hold the next twice, beside `more`.
    fn doubling(levels: usize, more: &str) -> String {
        let next = |level: usize| format!(r##"{{"$ref":"#/$defs/a{}"{more}}}"##, level + 1);
        let level = |i| format!(r#""a{i}":{{"type":"object","properties":{{"p":{0},"q":{0}}}}}"#, next(i));
        let defs: Vec<String> = (0..levels).map(level).collect();
        format!(r##"{{"$defs":{{{},"a{levels}":{{}}}},"$ref":"#/$defs/a0"}}"##, defs.join(","))
    }

    #[test]
    fn what_doubles_at_each_level_is_refused_where_it_is_written_out() {
        assert!(checked(&doubling(40, "")).is_ok());
        assert!(checked(&doubling(40, r#","title":"t""#)).is_ok());
        assert!(checked(&doubling(8, r#","type":"object""#)).is_ok());
        assert!(checked(&doubling(40, r#","type":"object""#)).unwrap_err().contains("2000000 parts"));
    }

    #[test]
    fn alternatives_that_hold_together_multiply() {
        let any = format!(r#"{{"anyOf":[{}]}}"#, vec![r#"{"type":"object"}"#; 30].join(","));
        let all = |count| format!(r#"{{"allOf":[{}]}}"#, vec![any.as_str(); count].join(","));
        assert!(checked(&all(3)).is_ok());
        assert!(checked(&all(6)).unwrap_err().contains("2000000 parts"));
    }

    #[test]
    fn recursion_is_well_unless_two_hold_together() {
        let node = |name| format!(r##""{name}":{{"type":"object","properties":{{"c":{{"$ref":"#/$defs/{name}"}}}}}}"##);
        let defs = format!(r#""$defs":{{{},{}}}"#, node("a"), node("b"));
        let refer = |name| format!(r##"{{"$ref":"#/$defs/{name}"}}"##);
        assert!(checked(&format!(r##"{{"$ref":"#/$defs/a",{defs}}}"##)).is_ok());
        assert!(checked(&format!(r#"{{"anyOf":[{},{}],{defs}}}"#, refer("a"), refer("b"))).is_ok());
        assert!(checked(&format!(r#"{{"allOf":[{},{{"required":["c"]}}],{defs}}}"#, refer("a"))).is_ok());
        let both = checked(&format!(r#"{{"allOf":[{},{}],{defs}}}"#, refer("a"), refer("b")));
        assert!(both.unwrap_err().contains("both recursive"));
        assert!(checked(r##"{"$ref":"#"}"##).is_ok());
    }

    #[test]
    fn chains_of_references_are_as_deep_as_they_are_long() {
        let chain = |length: usize| {
            let defs: Vec<String> =
                (0..length).map(|i| format!(r##""a{i}":{{"$ref":"#/$defs/a{}"}}"##, i + 1)).collect();
            format!(r##"{{"$defs":{{{},"a{length}":{{}}}},"$ref":"#/$defs/a0"}}"##, defs.join(","))
        };
        assert!(checked(&chain(500)).is_ok());
        assert!(checked(&chain(2000)).unwrap_err().contains("1024 deep"));
    }

    #[test]
    fn comparisons_each_with_each_are_bounded() {
        let one = |i| format!(r#"{{"const":{i}}}"#);
        let one_of = |count| format!(r#"{{"oneOf":[{}]}}"#, (0..count).map(one).collect::<Vec<_>>().join(","));
        assert!(checked(&one_of(ONE_OF)).is_ok());
        assert!(checked(&one_of(ONE_OF + 1)).unwrap_err().contains("500 alternatives"));
        let pattern = |i| format!(r#""^a{i}":{{}}"#);
        let patterns =
            |count| format!(r#"{{"patternProperties":{{{}}}}}"#, (0..count).map(pattern).collect::<Vec<_>>().join(","));
        assert!(checked(&patterns(10)).is_ok());
        assert!(checked(&patterns(200)).unwrap_err().contains("100000 times"));
    }

    #[test]
    fn multiples_have_few_digits() {
        for (number, want) in [(5.0, 5), (0.25, 2500), (-0.5, 50), (1e-300, u64::MAX), (0.0, 0), (1.5, 150)] {
            let got = multiple(number);
            assert!(got == want || want == u64::MAX && got > MULTIPLE, "{number}: {got}");
        }
        assert!(checked(r#"{"type":"number","multipleOf":0.001}"#).is_ok());
        assert!(checked(r#"{"type":"integer","multipleOf":1000000007}"#).unwrap_err().contains("multipleOf"));
        let together = r#"{"allOf":[{"type":"integer","multipleOf":65537},{"multipleOf":65539}]}"#;
        assert!(checked(together).unwrap_err().contains("multipleOf"));
    }

    #[test]
    fn schemas_within_lark_are_seen() {
        let within = |text: String| checked_within(&Form::Lark(String::new()), &text).map_err(|e| e.to_string());
        let large = doubling(40, r#","type":"object""#);
        assert!(within(format!("start: a %json {large}\na: \"%json\"")).unwrap_err().contains("parts"));
        assert!(within(format!("start: a %json{large}")).unwrap_err().contains("parts"));
        let same = r#"start: "%json {" %json {"type":"null"} | %json { "minimum": 3 } "a""#;
        assert_eq!(within(same.into()).unwrap(), same);
        let excluded = r#"start: %json{ "exclusiveMinimum": 3} "a""#;
        assert_eq!(within(excluded.into()).unwrap(), r#"start: %json {"minimum":3.000000001} "a""#);
    }
}
