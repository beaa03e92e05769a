//! `POST /tokenize`, `/detokenize` and `/apply-template`: texts as the model reads them.

use crate::app::App;
use crate::chat::{Showing, messages};
use crate::error::Failure;
use crate::fields::Fields;
use crate::reply::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use serde_json::{Value, json};
use smolvlm_processor::Part;
use std::sync::Arc;

/// What the reference's template puts in a clip's place; its frames take it later.
const CLIP: &str = "<video>";

/// The most tokens that are made text again at once.
const MOST: usize = 1 << 20;

/// A text's tokens, or those of a chat's whole prompt.
pub(crate) async fn tokenize(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Json, Failure> {
    let body = app.bodies.read(request).await?;
    let (value, room) = app.aside(move |_| Ok((body.json()?, body.room))).await?;
    let _room = room;
    let is_chat = value.get("messages").is_some_and(|messages| !messages.is_null());
    let (ids, pieces) = if is_chat { of_chat(&app, value).await? } else { of_text(&app, value).await? };
    app.aside(move |app| {
        let count = ids.len();
        let tokens: Vec<Value> = if pieces {
            ids.iter().map(|&id| piece(app, id)).collect()
        } else {
            ids.into_iter().map(Value::from).collect()
        };
        Ok(Json(json!({"tokens": tokens, "count": count, "max_model_len": app.engine().processor().context()})))
    })
    .await
}

async fn of_text(app: &Arc<App>, value: Value) -> Result<(Vec<u32>, bool), Failure> {
    app.aside(move |app| {
        let mut fields = Fields::of(&value, "")?;
        app.check_model(fields.text("model")?)?;
        let text = fields.either(&["content", "prompt"], Fields::text)?.ok_or_else(|| {
            Failure::field("content", "'content' is missing; a string, or 'messages', would be right")
        })?;
        let special = fields.truth("parse_special")?.unwrap_or(false);
        let framed = fields.truth("add_special")?.unwrap_or(false);
        let pieces = fields.truth("with_pieces")?.unwrap_or(false);
        fields.finish()?;
        let tokenizer = app.engine().processor().tokenizer();
        let ids = match (special, framed) {
            (true, true) => tokenizer.encode_special(text)?,
            (true, false) => tokenizer.encode_unframed(text)?,
            (false, true) if !text.is_empty() => {
                let options = smolvlm_processor::PlanOptions { chat: false, ..Default::default() };
                let said = [smolvlm_processor::Message::text("user", text)];
                app.engine().processor().plan(&said, &[], &options)?.ids
            }
            (false, _) => tokenizer.encode_plain(text)?,
        };
        Ok((ids, pieces))
    })
    .await
}

async fn of_chat(app: &Arc<App>, value: Value) -> Result<(Vec<u32>, bool), Failure> {
    let (showing, pieces) = app
        .aside(move |app| {
            let mut fields = Fields::of(&value, "")?;
            let pieces = fields.truth("with_pieces")?.unwrap_or(false);
            let showing = Showing::of(&mut fields, app)?;
            fields.finish()?;
            Ok((showing, pieces))
        })
        .await?;
    Ok((showing.plan(app).await?.ids, pieces))
}

/// A token with its text, or its bytes where they are none.
fn piece(app: &App, id: u32) -> Value {
    let bytes = app.engine().processor().tokenizer().token_bytes(id).unwrap_or_default();
    let piece = String::from_utf8(bytes).map_or_else(|error| json!(error.into_bytes()), Value::from);
    json!({"id": id, "piece": piece})
}

/// The text of tokens.
pub(crate) async fn detokenize(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Json, Failure> {
    let body = app.bodies.read(request).await?;
    app.aside(move |app| {
        let value = body.json()?;
        let mut fields = Fields::of(&value, "")?;
        app.check_model(fields.text("model")?)?;
        let missing = || Failure::field("tokens", "'tokens' is missing; a list of ids would be right");
        let list = fields.list("tokens")?.ok_or_else(missing)?;
        let special = fields.truth("special")?.unwrap_or(true);
        fields.finish()?;
        if list.len() > MOST {
            return Err(Failure::field("tokens", format!("{} tokens; at most {MOST} are read", list.len())));
        }
        let tokenizer = app.engine().processor().tokenizer();
        let id = |value: &Value| {
            value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|&id| (id as usize) < tokenizer.len())
        };
        let ids: Option<Vec<u32>> = list.iter().map(id).collect();
        let wrong = || {
            Failure::field(
                "tokens",
                format!("'tokens' has an entry that is no token; they are whole numbers below {}", tokenizer.len()),
            )
        };
        Ok(Json(json!({"content": tokenizer.decode(&ids.ok_or_else(wrong)?, special)})))
    })
    .await
}

/// A chat as its template renders it. Pictures and clips are looked at no closer than to know that they are there.
pub(crate) async fn apply_template(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Json, Failure> {
    let body = app.bodies.read(request).await?;
    app.aside(move |app| {
        let value = body.json()?;
        let mut fields = Fields::of(&value, "")?;
        app.check_model(fields.text("model")?)?;
        let mut said = messages(&mut fields)?;
        for part in said.messages.iter_mut().flat_map(|message| &mut message.content) {
            if matches!(part, Part::Clip(_)) {
                *part = Part::Text(CLIP.to_owned());
            }
        }
        let begin = fields.truth("add_generation_prompt")?.unwrap_or(true);
        fields.finish()?;
        let prompt = app.engine().processor().template().render(&said.messages, begin)?;
        Ok(Json(json!({"prompt": prompt})))
    })
    .await
}
