//! The fields of a JSON object, read by name: each is of its kind or refused, and none is passed over.

use crate::error::Failure;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An object of a request. Null counts as absent.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Where it stands in the request, with a dot behind; empty for the request itself.
    at: String,
    seen: BTreeSet<&'static str>,
}

/// A field of a request that is known and not served, and why.
pub(crate) type Refused = (&'static str, &'static str);

impl<'a> Fields<'a> {
    /// Of a value that must be an object; `at` is its place in the request.
    pub(crate) fn of(value: &'a Value, at: &str) -> Result<Fields<'a>, Failure> {
        match value {
            Value::Object(map) => {
                let at = if at.is_empty() { String::new() } else { format!("{at}.") };
                Ok(Fields { map, at, seen: BTreeSet::new() })
            }
            other if at.is_empty() => {
                Err(Failure::bad(format!("the body is {}; an object would be right", kind(other))))
            }
            other => Err(Failure::field(at, format!("'{at}' is {}; an object would be right", kind(other)))),
        }
    }

    /// The name of a field as errors call it.
    pub(crate) fn name(&self, field: &str) -> String {
        format!("{}{field}", self.at)
    }

    /// A field of any kind.
    pub(crate) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.seen.insert(field);
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn wrong<T>(&self, field: &str, value: &Value, right: &str) -> Result<T, Failure> {
        let name = self.name(field);
        Err(Failure::field(&name, format!("'{name}' is {}; {right} would be right", shown(value))))
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<&'a str>, Failure> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => self.wrong(field, other, "a string"),
        }
    }

    pub(crate) fn truth(&mut self, field: &'static str) -> Result<Option<bool>, Failure> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(other) => self.wrong(field, other, "true or false"),
        }
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<Option<f32>, Failure> {
        let Some(value) = self.value(field) else { return Ok(None) };
        match value.as_f64().map(|number| number as f32).filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => self.wrong(field, value, "a number of moderate size"),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn count(&mut self, field: &'static str, least: usize, most: usize) -> Result<Option<usize>, Failure> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let whole = whole(value).and_then(|number| usize::try_from(number).ok());
        match whole.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None if most == usize::MAX => self.wrong(field, value, &format!("a whole number of {least} or more")),
            None => self.wrong(field, value, &format!("a whole number from {least} to {most}")),
        }
    }

    /// A whole number of 64 bits with or without a sign, as bits.
    pub(crate) fn bits(&mut self, field: &'static str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let bits =
            value.as_u64().or_else(|| whole(value).and_then(|w| i64::try_from(w).ok()).map(|signed| signed as u64));
        bits.map_or_else(|| self.wrong(field, value, "a whole number of 64 bits"), |bits| Ok(Some(bits)))
    }

    pub(crate) fn list(&mut self, field: &'static str) -> Result<Option<&'a [Value]>, Failure> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => self.wrong(field, other, "a list"),
        }
    }

    pub(crate) fn object(&mut self, field: &'static str) -> Result<Option<Fields<'a>>, Failure> {
        let name = self.name(field);
        self.value(field).map(|value| Fields::of(value, &name)).transpose()
    }

    /// A field that has several names, of which a request may use one; `read` reads it by its name.
    pub(crate) fn either<T>(
        &mut self,
        names: &[&'static str],
        read: impl Fn(&mut Self, &'static str) -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let mut found = None;
        for name in names {
            let value = read(self, name)?;
            if found.is_some() && value.is_some() {
                let what = format!("{} name one thing: one of them would be right", names.join(" and "));
                return Err(Failure::field(name, what));
            }
            found = found.or(value);
        }
        Ok(found)
    }

    /// The entries of a field that is a table of any names.
    pub(crate) fn table(&mut self, field: &'static str) -> Result<Option<&'a Map<String, Value>>, Failure> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => self.wrong(field, other, "an object"),
        }
    }

    /// One of these words.
    pub(crate) fn word(
        &mut self,
        field: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, Failure> {
        let Some(value) = self.value(field) else { return Ok(None) };
        match words.iter().find(|word| value.as_str() == Some(**word)) {
            Some(word) => Ok(Some(word)),
            None => self.wrong(
                field,
                value,
                &words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
            ),
        }
    }

    /// Refuses fields that are known and not served, unless they say nothing: null, false and empty lists.
    pub(crate) fn refuse(&mut self, fields: &[Refused]) -> Result<(), Failure> {
        for &(field, why) in fields {
            match self.value(field) {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Array(list)) if list.is_empty() => {}
                Some(_) => {
                    let name = self.name(field);
                    return Err(
                        Failure::field(&name, format!("'{name}' is not served: {why}")).code("unsupported_parameter")
                    );
                }
            }
        }
        Ok(())
    }

    /// That nothing is left unread.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.map.iter().find(|(field, value)| !self.seen.contains(field.as_str()) && !value.is_null()) {
            None => Ok(()),
            Some((field, _)) => {
                let name: String = self.name(field).chars().take(100).collect();
                Err(Failure::field(&name, format!("'{name}' is no field of this request")).code("unknown_parameter"))
            }
        }
    }
}

/// A whole number, also where it is written as 3.0.
fn whole(value: &Value) -> Option<i128> {
    let signed = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    signed.or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && x.abs() < 9e15).map(|x| x as i128))
}

/// What a value is, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value in a message: numbers and short words as they are, of all else the kind.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => value.to_string(),
        other => kind(other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_are_checked_by_name() {
        let value =
            json!({"t": 1, "b": "x", "n": "1", "big": 1e300, "c": -1, "f": 1.5, "w": "z", "l": {}, "o": [], "s": 1e30});
        let mut fields = Fields::of(&value, "a").unwrap();
        let says = |failure: Result<(), Failure>, what: &str| {
            let failure = failure.unwrap_err();
            assert!(failure.message.contains(what), "{}", failure.message);
            assert_eq!(failure.status, 400);
        };
        says(fields.text("t").map(|_| ()), "'a.t' is 1; a string");
        says(fields.truth("b").map(|_| ()), "'a.b' is \"x\"; true or false");
        says(fields.number("n").map(|_| ()), "a number");
        says(fields.number("big").map(|_| ()), "a number of moderate size");
        says(fields.count("c", 1, 9).map(|_| ()), "'a.c' is -1; a whole number from 1 to 9");
        says(fields.count("f", 1, usize::MAX).map(|_| ()), "'a.f' is 1.5; a whole number of 1 or more");
        says(fields.bits("s").map(|_| ()), "64 bits");
        says(fields.word("w", &["x", "y"]).map(|_| ()), "\"x\" or \"y\"");
        says(fields.list("l").map(|_| ()), "a list");
        says(fields.object("o").map(|_| ()), "an object");
        says(Fields::of(&json!([]), "").map(|_| ()), "the body is a list");
    }

    #[test]
    fn nothing_is_passed_over() {
        let value = json!({"known": 1, "none": null, "off": false, "empty": [], "on": [1]});
        let mut fields = Fields::of(&value, "").unwrap();
        assert_eq!(fields.count("known", 0, 2).unwrap(), Some(1));
        fields.refuse(&[("none", "x"), ("off", "x"), ("empty", "x")]).unwrap();
        let failure = fields.refuse(&[("on", "it is so")]).unwrap_err();
        assert_eq!((failure.param.as_deref(), failure.code), (Some("on"), Some("unsupported_parameter")));
        let mut fields = Fields::of(&value, "").unwrap();
        fields.value("known");
        let failure = fields.finish().unwrap_err();
        assert_eq!((failure.param.as_deref(), failure.code), (Some("off"), Some("unknown_parameter")));
    }

    #[test]
    fn seeds_have_64_bits() {
        for (value, bits) in [(json!(u64::MAX), u64::MAX), (json!(-1), u64::MAX), (json!(7.0), 7)] {
            let value = json!({ "seed": value });
            assert_eq!(Fields::of(&value, "").unwrap().bits("seed").unwrap(), Some(bits));
        }
    }
}
