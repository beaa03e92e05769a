//! What an answer is bound to: JSON, a schema, an expression or a grammar, in the words of OpenAI's and other clients.

use crate::app::App;
use crate::error::Failure;
use crate::fields::Fields;
use axum::http::StatusCode;
use serde_json::Value;
use smolvlm_engine as engine;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a request wants its answer to be, and which field says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    form: engine::Form,
    field: &'static str,
}

impl Form {
    /// Of `response_format`, `json_schema` or `grammar`, of which one may speak.
    pub(crate) fn of(fields: &mut Fields<'_>) -> Result<Option<Form>, Failure> {
        let format = fields.object("response_format")?.map(response_format).transpose()?.flatten();
        let schema = fields.value("json_schema").map(|schema| schema_of(schema, "json_schema")).transpose()?;
        let grammar = fields.value("grammar").map(grammar).transpose()?;
        let named = |form: Option<engine::Form>, field| form.map(|form| Form { form, field });
        let mut given = [named(format, "response_format"), named(schema, "json_schema"), named(grammar, "grammar")]
            .into_iter()
            .flatten();
        let first = given.next();
        match given.next() {
            Some(second) => Err(Failure::field(
                second.field,
                "an answer is bound to one form: response_format, json_schema or grammar",
            )),
            None => Ok(first),
        }
    }

    /// Of `text.format` of the responses endpoint, which holds the schema itself.
    pub(crate) fn of_text(fields: Fields<'_>) -> Result<Option<Form>, Failure> {
        let mut fields = fields;
        let form = match fields.word("type", &["text", "json_object", "json_schema"])? {
            Some("json_object") => Some(engine::Form::JsonObject),
            Some("json_schema") => Some(of_schema(&mut fields)?),
            _ => None,
        };
        fields.finish()?;
        Ok(form.map(|form| Form { form, field: "text.format" }))
    }

    /// As the engine reads it.
    fn bind(&self, engine: &engine::Engine) -> Result<Arc<engine::Grammar>, Failure> {
        engine.grammar(&self.form).map_err(|error| match error {
            engine::Error::Grammar(error) => Failure::field(self.field, error.to_string()).code("invalid_grammar"),
            other => other.into(),
        })
    }
}

/// Where forms are read: a few at a time, each for a while, as some are much work for what they are.
pub(crate) struct Forms {
    room: Arc<Semaphore>,
}

/// Forms that are read at a time.
const TOGETHER: usize = 4;
/// The most time that one may take; its thread is left to itself then.
const TIME: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });

impl Forms {
    pub(crate) fn new() -> Forms {
        Forms { room: Arc::new(Semaphore::new(TOGETHER)) }
    }

    /// As the engine reads it.
    ///
    /// # Errors
    /// It is wrong, asks for what is not supported, or takes too long.
    pub(crate) async fn bind(&self, app: &Arc<App>, form: Form) -> Result<Arc<engine::Grammar>, Failure> {
        let field = form.field;
        let Ok(Ok(room)) = timeout(TIME, Arc::clone(&self.room).acquire_owned()).await else {
            let what = "the forms of other requests are being read; try again later";
            return Err(Failure::later(StatusCode::SERVICE_UNAVAILABLE, "overloaded", what));
        };
        let read = app.apart(move |app| {
            let _room = room;
            form.bind(app.engine())
        });
        timeout(TIME, read).await.unwrap_or_else(|_| {
            let what =
                format!("'{field}' takes more than {} seconds to read; a simpler one would be right", TIME.as_secs());
            Err(Failure::field(field, what).code("invalid_grammar"))
        })
    }
}

fn response_format(fields: Fields<'_>) -> Result<Option<engine::Form>, Failure> {
    let mut fields = fields;
    let kind = fields.word("type", &["text", "json_object", "json_schema"])?;
    let form = match kind {
        Some("json_schema") => {
            let name = fields.name("json_schema");
            let mut inner =
                fields.object("json_schema")?.ok_or_else(|| Failure::field(&name, format!("'{name}' is missing")))?;
            let form = of_schema(&mut inner)?;
            inner.finish()?;
            Some(form)
        }
        // llama.cpp's clients give the schema beside it.
        Some("json_object") => Some(match fields.value("schema") {
            Some(schema) => schema_of(schema, "response_format.schema")?,
            None => engine::Form::JsonObject,
        }),
        Some(_) => None,
        None => return Err(Failure::field("response_format.type", "'response_format.type' is missing")),
    };
    fields.finish()?;
    Ok(form)
}

/// The schema of an object that names and describes it.
fn of_schema(fields: &mut Fields<'_>) -> Result<engine::Form, Failure> {
    // Names and descriptions are for models that are told of the schema; an answer is bound to it either way.
    fields.text("name")?;
    fields.text("description")?;
    fields.truth("strict")?;
    let name = fields.name("schema");
    match fields.value("schema") {
        Some(schema) => schema_of(schema, &name),
        None => Err(Failure::field(&name, format!("'{name}' is missing"))),
    }
}

fn schema_of(schema: &Value, at: &str) -> Result<engine::Form, Failure> {
    match schema {
        Value::Object(_) | Value::Bool(_) => Ok(engine::Form::JsonSchema(schema.to_string())),
        _ => Err(Failure::field(at, format!("'{at}' is no JSON Schema; an object would be right"))),
    }
}

/// `grammar`: `{"type": "regex" | "lark" | "json_schema", "value": …}`, or Lark behind `%llguidance`.
fn grammar(value: &Value) -> Result<engine::Form, Failure> {
    if let Value::String(text) = value {
        return match text.trim_start().starts_with("%llguidance") {
            true => Ok(engine::Form::Lark(text.clone())),
            false => Err(Failure::field(
                "grammar",
                "grammars in GBNF are not read; Lark would be right ({\"type\": \"lark\", \"value\": \"start: …\"}), or json_schema",
            )),
        };
    }
    let mut fields = Fields::of(value, "grammar")?;
    let missing = || Failure::field("grammar.value", "'grammar.value' is missing");
    let form = match fields.word("type", &["regex", "lark", "json_schema"])? {
        Some("json_schema") => schema_of(fields.value("value").ok_or_else(missing)?, "grammar.value")?,
        Some("lark") => engine::Form::Lark(fields.text("value")?.ok_or_else(missing)?.to_owned()),
        Some(_) => engine::Form::Regex(fields.text("value")?.ok_or_else(missing)?.to_owned()),
        None => return Err(Failure::field("grammar.type", "'grammar.type' is missing")),
    };
    fields.finish()?;
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(request: Value) -> Result<Option<engine::Form>, Failure> {
        let mut fields = Fields::of(&request, "")?;
        let form = Form::of(&mut fields)?;
        fields.finish()?;
        Ok(form.map(|form| form.form))
    }

    #[test]
    fn forms_in_the_words_of_clients() {
        let schema = json!({"type": "integer"});
        let as_schema = Some(engine::Form::JsonSchema(schema.to_string()));
        for (request, form) in [
            (json!({}), None),
            (json!({"response_format": {"type": "text"}}), None),
            (json!({"response_format": {"type": "json_object"}}), Some(engine::Form::JsonObject)),
            (json!({"response_format": {"type": "json_object", "schema": schema}}), as_schema.clone()),
            (
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": schema}}}),
                as_schema.clone(),
            ),
            (json!({"json_schema": schema}), as_schema.clone()),
            (json!({"grammar": {"type": "json_schema", "value": schema}}), as_schema),
            (json!({"grammar": {"type": "regex", "value": "a+"}}), Some(engine::Form::Regex("a+".into()))),
            (
                json!({"grammar": {"type": "lark", "value": "start: \"a\""}}),
                Some(engine::Form::Lark("start: \"a\"".into())),
            ),
        ] {
            assert_eq!(of(request.clone()).unwrap(), form, "{request}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for (request, param) in [
            (json!({"response_format": "json"}), "response_format"),
            (json!({"response_format": {}}), "response_format.type"),
            (json!({"response_format": {"type": "xml"}}), "response_format.type"),
            (json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema"),
            (
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}),
                "response_format.json_schema.schema",
            ),
            (json!({"response_format": {"type": "text", "more": 1}}), "response_format.more"),
            (json!({"json_schema": "a"}), "json_schema"),
            (json!({"grammar": "root ::= \"a\""}), "grammar"),
            (json!({"grammar": {"type": "gbnf", "value": "a"}}), "grammar.type"),
            (json!({"json_schema": {}, "grammar": {"type": "regex", "value": "a"}}), "grammar"),
        ] {
            let failure = of(request.clone()).unwrap_err();
            assert_eq!((failure.status.as_u16(), failure.param.as_deref()), (400, Some(param)), "{request}");
        }
    }
}
