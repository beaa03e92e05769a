//! Bounds on what a stranger's chat template may ask of the engine that renders it. Fuel bounds its steps (`template.rs`);
//! here are the single steps that would take a stack or a memory without end.

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters};

/// The most bytes of one tag, texts in it left out: the engine's compiler goes as deep as a tag's operators. The longest
/// of published templates have some 600.
const TAG: usize = 2048;
/// The most `elif` of a template, which nest as deep.
const ELIF: usize = 256;
/// The largest width or count that a filter may be given.
const WIDTH: i64 = 999;

/// What of a template the compiler could not bear, if there is anything.
pub(crate) fn too_deep(source: &str) -> Option<String> {
    let (mut elifs, mut rest) = (0, source);
    while let Some(at) = rest.find(['{']) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let Some(kind) = rest.chars().next().filter(|kind| matches!(kind, '{' | '%')) else { continue };
        let (bytes, tag) = tag(rest.get(1..).unwrap_or_default(), if kind == '%' { '%' } else { '}' });
        if bytes > TAG {
            return Some(format!("has a tag of {bytes} bytes beside its texts; {TAG} are the most"));
        }
        elifs += usize::from(tag.trim_start_matches(['-', '+']).trim_start().starts_with("elif"));
        rest = rest.get(1 + tag.len()..).unwrap_or_default();
    }
    (elifs > ELIF).then(|| format!("has {elifs} times elif; {ELIF} are the most"))
}

/// A tag up to the character that ends it in front of `}`, and how long it is without the texts in it.
fn tag(source: &str, end: char) -> (usize, &str) {
    let (mut bytes, mut quote, mut escaped, mut last) = (0, None, false, ' ');
    for (at, c) in source.char_indices() {
        match quote {
            Some(open) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = c == '\\' && !escaped;
            }
            None if c == '}' && last == end => return (bytes, source.get(..at).unwrap_or_default()),
            None => {
                bytes += c.len_utf8();
                quote = (c == '"' || c == '\'').then_some(c);
            }
        }
        last = c;
    }
    (bytes, source)
}

/// Puts filters in the place of those that make much of little.
pub(crate) fn bound_filters(env: &mut Environment<'static>) {
    let bounded: [(&str, Value); 4] = [
        ("indent", Value::from_function(filters::indent)),
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
        ("format", Value::from_function(filters::format)),
    ];
    for (name, filter) in bounded {
        env.add_filter(name, move |state: &State, args: Rest<Value>| -> Result<Value, Error> {
            match args.split_first() {
                Some((text, _)) if name == "format" => check_format(text)?,
                Some((_, numbers)) => numbers.iter().try_for_each(check_number)?,
                None => {}
            }
            filter.call(state, &args)
        });
    }
}

/// Python's methods of texts, lists and maps, with the same bounds.
pub(crate) fn method(state: &State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if method == "format" {
        check_format(value)?;
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// Refuses a format that asks for a large width or precision, or takes one from its arguments.
fn check_format(format: &Value) -> Result<(), Error> {
    let text = format.as_str().unwrap_or_default();
    let mut digits = 0;
    let long = text.chars().any(|c| {
        digits = if c.is_ascii_digit() { digits + 1 } else { 0 };
        digits > 3
    });
    let taken =
        text.contains('*') || text.split('{').any(|part| part.ends_with(':') || part.ends_with(['>', '<', '^']));
    if long || taken { Err(wrong("a format with such a width")) } else { Ok(()) }
}

/// Refuses a large number, or one among named arguments.
fn check_number(value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Map {
        return value.try_iter()?.try_for_each(|key| check_number(&value.get_item(&key)?));
    }
    match value.kind() == ValueKind::Number && value.as_i64().is_none_or(|number| number > WIDTH) {
        true => Err(wrong("a number of more than 999 for a width or a count")),
        false => Ok(()),
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{what} is refused"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, SpecialNames, Template};

    fn render(source: &str) -> Result<String, String> {
        let template = Template::new("t", source, &SpecialNames::default());
        template.and_then(|t| t.render(&[Message::user(0, "Hello")], true)).map_err(|e| e.to_string())
    }

    #[test]
    fn chains_that_would_end_the_stack_are_refused() {
        for one in ["-", "not ", "1+", "1**", "x.a|e if x else ", "x.", "{'a': ", "[", "("] {
            let error = render(&format!("{{{{ {} 1 }}}}", one.repeat(30_000))).unwrap_err();
            assert!(error.contains("has a tag of ") || error.contains("not valid"), "{one}: {error}");
            // As long as they may be.
            let _ = render(&format!("{{{{ {} 1 }}}}", one.repeat((TAG - 20) / one.len())));
        }
        let many = |n: usize| format!("{{% if a %}}{}{{% endif %}}", "{%- elif b -%}x".repeat(n));
        assert!(render(&many(30_000)).unwrap_err().contains("has 30000 times elif; 256 are the most"));
        assert_eq!(render(&many(ELIF)).unwrap(), "");
    }

    #[test]
    fn long_texts_are_no_long_tags() {
        let long = "It's }} said: ".repeat(1000);
        for quoted in [format!("{{{{ \"{long}\" }}}}"), format!("{{%- set x = \"{long}\" -%}}{{{{ x }}}}")] {
            assert_eq!(render(&quoted).unwrap(), long);
        }
        let escaped = format!("{{{{ '\\'{}\\\\' }}}}{}", "-".repeat(5000), "{{ 1 }}".repeat(1000));
        assert!(render(&escaped).unwrap().starts_with("'--"));
        assert_eq!(render(&"x { y } {".repeat(1000)).unwrap().len(), 9000);
    }

    #[test]
    fn filters_that_make_much_of_little_are_bounded() {
        for source in [
            "{{ 'a' | indent(99999999999) }}",
            "{{ 'a' | indent(width=99999999999) }}",
            "{{ 'ab' | batch(99999999999) | list }}",
            "{{ 'ab' | slice(99999999999) | list }}",
            "{{ '%99999999999d' | format(1) }}",
            "{{ '%.99999999999f' | format(1.5) }}",
            "{{ '%*d' | format(99999999999, 1) }}",
            "{{ '{:>99999999999}'.format(1) }}",
            "{{ '{:{}}'.format(1, 99999999999) }}",
            "{{ '{:>{}}'.format(1, 99999999999) }}",
        ] {
            let error = render(source).unwrap_err();
            assert!(error.contains("is refused"), "{source}: {error}");
        }
        for (source, out) in [
            ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
            ("{{ 'a\nb' | indent(width=1, first=true) }}", " a\n b"),
            ("{{ 'abc' | batch(2) | list | length }}", "2"),
            ("{{ '%03d|%s' | format(7, 'x') }}", "007|x"),
            ("{{ '{}-{:>4}|{0}'.format('a', 'b') if false else '{}-{:>4}'.format('a', 'b') }}", "a-   b"),
        ] {
            assert_eq!(render(source).unwrap(), out, "{source}");
        }
    }
}
