//! The checkpoint's own chat template, rendered as transformers renders it
//! (`_cached_compile_jinja_template` in its `chat_template_utils.py`).
//!
//! A template comes from outside: its size, its work and its output are bounded. What it builds in memory while it
//! works is not altogether (a text that is doubled again and again), so a template is to be trusted as much as the checkpoint it came
//! with.

use std::io;

use minijinja::{Environment, ErrorKind, State, UndefinedBehavior, Value, value::ValueKind};
use serde_json::Value as Json;
use smolvlm_sys::Files;

use crate::{Error, Message, Part, clock, files, python_json, settings::SpecialNames, template_bounds};

/// Longer templates are refused.
const MAX_SOURCE: u64 = 1 << 20;
/// Steps that a template may take, and the steps allowed to it more for every message and every part.
const FUEL: u64 = 20_000;
const FUEL_PER_PART: u64 = 200;
/// Bytes that a template may write beyond eight times the chat's own.
const OUTPUT: usize = 1 << 20;

/// A text to see what a template makes of texts.
const PROBE: &str = "probe";

/// A compiled chat template.
#[derive(Debug)]
pub struct Template {
    env: Environment<'static>,
    path: String,
    source: String,
    special: SpecialNames,
    /// Whether a message's content goes in as one text, not as a list of parts.
    texts: bool,
}

impl Template {
    /// Takes the template from `chat_template.jinja`, else `chat_template.json`, else `tokenizer_config.json`.
    ///
    /// # Errors
    /// None is there ([`Error::NoTemplate`]), or it cannot be compiled.
    pub fn open(files: impl Into<Files>, special: &SpecialNames) -> Result<Self, Error> {
        const JINJA: &str = "chat_template.jinja";
        let files = &files.into();
        let place = |name| files.path(name).display().to_string();
        if let Some(source) = files::text(files, JINJA, MAX_SOURCE)? {
            return Self::new(&place(JINJA), &source, special);
        }
        for name in ["chat_template.json", "tokenizer_config.json"] {
            let place = place(name);
            if let Some(value) = files::json(files, name)?.as_ref().and_then(|json| json.get("chat_template"))
                && !value.is_null()
            {
                return Self::new(&place, chosen(value, &place)?, special);
            }
        }
        Err(Error::NoTemplate { dir: files.to_string() })
    }

    /// Compiles `source`; `path` is named in errors.
    ///
    /// # Errors
    /// The template is too long or is not valid Jinja.
    pub fn new(path: &str, source: &str, special: &SpecialNames) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Template { path: path.to_owned(), reason };
        if source.len() as u64 > MAX_SOURCE {
            return Err(wrong(format!("has {} bytes; {MAX_SOURCE} are the most", source.len())));
        }
        // Jinja reads every line end as "\n".
        let source = without_generation_tags(&source.replace("\r\n", "\n").replace('\r', "\n"));
        if source.trim().is_empty() {
            return Err(wrong("is empty".into()));
        }
        if let Some(what) = template_bounds::too_deep(&source) {
            return Err(wrong(what));
        }
        let mut env = Environment::new();
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.set_undefined_behavior(UndefinedBehavior::Lenient);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_unknown_method_callback(template_bounds::method);
        template_bounds::bound_filters(&mut env);
        env.set_formatter(as_python);
        env.add_filter("tojson", python_json::tojson);
        env.add_function("strftime_now", clock::strftime_now);
        env.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("refuses the chat: {message}")))
        });
        env.add_template_owned("chat", source.clone()).map_err(|e| wrong(format!("is not valid: {}", describe(&e))))?;
        Ok(Self { env, path: path.to_owned(), source, special: special.clone(), texts: false })
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Gives messages' content as one text, as decoders alone are written for, where the template reads it so. SmolVLM's
    /// reads lists of parts, also where its decoder stands alone.
    pub(crate) fn prefer_texts(&mut self) {
        self.texts = true;
        let rendered = self.render(&[Message::user(0, PROBE)], false);
        self.texts = rendered.is_ok_and(|rendered| rendered.contains(PROBE));
    }

    /// What the template puts around an answer: between the prompt for it and its text, where SmolVLM's has a space, and behind
    /// it. `None` where it does not say.
    pub(crate) fn around_answer(&self) -> (Option<String>, Option<String>) {
        let chat = [Message::user(0, PROBE), Message::text("assistant", PROBE)];
        let Ok(whole) = self.render(&chat, false) else { return (None, None) };
        let Some((until, behind)) = whole.rsplit_once(PROBE) else { return (None, None) };
        let asked = self.render(&chat[..1], true);
        let lead = asked.ok().and_then(|asked| until.strip_prefix(asked.as_str()));
        (lead.map(str::to_owned), Some(behind.to_owned()))
    }

    /// Renders a chat. Content goes in as a list of parts, also where it is one text, or as one text (`texts`).
    ///
    /// # Errors
    /// The template refuses the chat, fails, works too long or writes too much.
    pub fn render(&self, messages: &[Message], generation_prompt: bool) -> Result<String, Error> {
        let wrong = |reason: String| Error::Template { path: self.path.clone(), reason };
        let parts: usize = messages.iter().map(|m| m.content.len() + 1).sum();
        let bytes: usize = messages
            .iter()
            .flat_map(|m| &m.content)
            .map(|part| if let Part::Text(text) = part { text.len() } else { 0 })
            .sum();
        let mut env = self.env.clone();
        env.set_fuel(Some(FUEL.saturating_add(FUEL_PER_PART.saturating_mul(parts as u64))));

        let mut context = serde_json::Map::new();
        context.insert("messages".to_owned(), messages.iter().map(|message| as_json(message, self.texts)).collect());
        context.insert("add_generation_prompt".to_owned(), generation_prompt.into());
        context.insert("tools".to_owned(), Json::Null);
        context.insert("documents".to_owned(), Json::Null);
        let SpecialNames { bos, eos, pad, unk } = &self.special;
        for (name, token) in [("bos_token", bos), ("eos_token", eos), ("pad_token", pad), ("unk_token", unk)] {
            if let Some(token) = token {
                context.insert(name.to_owned(), token.as_str().into());
            }
        }
        let mut out = Bounded { bytes: Vec::new(), left: OUTPUT.saturating_add(bytes.saturating_mul(8)) };
        let template = env.get_template("chat").map_err(|e| wrong(describe(&e)))?;
        template.render_captured_to(Value::from_serialize(&context), &mut out).map_err(|e| {
            wrong(match e.kind() {
                ErrorKind::OutOfFuel => "takes too many steps".to_owned(),
                ErrorKind::WriteFailure => "writes too much".to_owned(),
                _ => describe(&e),
            })
        })?;
        String::from_utf8(out.bytes).map_err(|e| wrong(e.to_string()))
    }
}

/// A template as a text, or the one named "default" of a list of `{"name", "template"}`.
fn chosen<'a>(value: &'a Json, path: &str) -> Result<&'a str, Error> {
    let named_default = |list: &'a Vec<Json>| {
        list.iter().find(|t| t.get("name").and_then(Json::as_str) == Some("default"))?.get("template")?.as_str()
    };
    value.as_str().or_else(|| value.as_array().and_then(named_default)).ok_or_else(|| Error::Template {
        path: path.to_owned(),
        reason: "is neither a text nor a list with a template named \"default\"".to_owned(),
    })
}

/// What the template sees of a message: pictures are places and carry no path.
fn as_json(message: &Message, texts: bool) -> Json {
    if texts {
        let text: String =
            message.content.iter().map(|part| if let Part::Text(text) = part { text } else { "" }).collect();
        return serde_json::json!({"role": message.role, "content": text});
    }
    let part = |part: &Part| match part {
        Part::Text(text) => serde_json::json!({"type": "text", "text": text}),
        Part::Image(_) | Part::Frame => serde_json::json!({"type": "image"}),
        Part::Clip(_) => serde_json::json!({"type": "video"}),
    };
    serde_json::json!({"role": message.role, "content": message.content.iter().map(part).collect::<Vec<_>>()})
}

/// transformers knows a tag `generation` that marks the assistant's words for training and leaves them as they are.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        out.push_str(before);
        out.push_str("{%");
        let Some((inner, after)) = tag.split_once("%}") else {
            rest = tag;
            continue;
        };
        match inner.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace()) {
            "generation" => out.push_str(&inner.replace("generation", " if true ")),
            "endgeneration" => out.push_str(&inner.replace("endgeneration", " endif ")),
            _ => {
                rest = tag;
                continue;
            }
        }
        out.push_str("%}");
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Python's words for what Jinja prints.
fn as_python(out: &mut minijinja::Output, state: &State, value: &Value) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::None => out.write_str("None").map_err(Into::into),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }).map_err(Into::into),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// The error's own words and its line.
fn describe(error: &minijinja::Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

/// A writer that refuses what goes beyond its bound.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(buf.len()).ok_or_else(|| io::Error::other("too long"))?;
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[Message]) -> Result<String, String> {
        let special = SpecialNames { bos: Some("<s>".into()), ..SpecialNames::default() };
        Template::new("t", source, &special).and_then(|t| t.render(messages, true)).map_err(|e| e.to_string())
    }

    fn hello() -> Vec<Message> {
        vec![Message::user(1, "Hello")]
    }

    #[test]
    fn what_jinja2_renders() {
        // Each right-hand side is what transformers' environment over jinja2 3.1 gives.
        for (source, out) in [
            ("a\n", "a"),
            ("{% if true %}\n  x\n  {% endif %}\ny", "  x\ny"),
            ("{{ messages[0]['role'] | capitalize }}:{{ messages[0].content[1].text.upper() }}", "User:HELLO"),
            ("{{ bos_token }}{{ eos_token }}|{{ none }}|{{ add_generation_prompt }}", "<s>|None|True"),
            ("{{ tools is none }}{{ documents is none }}{{ nothing is defined }}", "TrueTrueFalse"),
            ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
            ("{{ ' a,b '.strip().split(',') | join('+') }}", "a+b"),
            ("{{ {'b': [1, 'é<'], 'a': none} | tojson }}", "{\"b\": [1, \"é<\"], \"a\": null}"),
            ("{{ [1, {'a': 2}] | tojson(indent=2) }}", "[\n  1,\n  {\n    \"a\": 2\n  }\n]"),
            ("{% generation %}x{% endgeneration %}{%- generation -%} y {%- endgeneration -%} z", "xyz"),
            ("a\r\nb", "a\nb"),
            (
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "1",
            ),
            ("{{ messages[0].content | selectattr('type', 'equalto', 'image') | list | length }}", "1"),
        ] {
            assert_eq!(render(source, &hello()).as_deref(), Ok(out), "{source}");
        }
        assert_eq!(render("{{ strftime_now('%Y') }}", &hello()).unwrap().len(), 4);
    }

    #[test]
    fn hostile_and_broken_templates_end_with_one_error() {
        let nested = "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}";
        let deep = "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}";
        let long = "x".repeat(MAX_SOURCE as usize + 1);
        for (source, says) in [
            ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "too many steps"),
            (nested, "too many steps"),
            (deep, "nested too deeply"),
            ("{% set x = 'x' * 1000000 %}{% for i in range(100) %}{{ x }}{% endfor %}", "writes too much"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
            ("{{ raise_exception('only text') }}", "refuses the chat: only text"),
            ("{{ a.b.c }}", "undefined"),
            ("{% if %}", "is not valid"),
            ("{% include 'other' %}", "chat template"),
            (&long, "are the most"),
        ] {
            let error = render(source, &hello()).unwrap_err();
            assert!(error.contains(says), "{source:.80}: {error}");
        }
    }
}
