//! How the server is: `GET /health`, `/metrics` and `/props`.

use crate::app::App;
use crate::error::Failure;
use crate::reply::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::json;
use std::sync::Arc;

/// Whether it takes requests.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Result<Json, Failure> {
    app.check_running()?;
    Ok(Json(json!({"status": "ok"})))
}

/// What it has done.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let text = app.metrics.text(&app.service.counts());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// What it is: the model, how it sees, and what a request may cost.
pub(crate) async fn props(State(app): State<Arc<App>>) -> Json {
    let (processor, options) = (app.engine().processor(), &app.options);
    let sight = processor.settings().sight.as_ref().map(|sight| {
        json!({
            "tile": sight.pictures.tile,
            "longest_edge": sight.pictures.longest_edge,
            "split": sight.pictures.split,
            "tokens_per_tile": sight.tokens_per_tile,
        })
    });
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "model": app.name(),
        "names": app.names,
        "context": processor.context(),
        "vocabulary": processor.tokenizer().len(),
        "pictures": sight,
        "chat_template": processor.template().source(),
        "defaults": {
            "temperature": app.defaults.sampling.temperature,
            "max_tokens": app.defaults.max_tokens.unwrap_or(app.most().tokens).min(app.most().tokens),
            "stop": app.defaults.stop,
        },
        "limits": {
            "body_bytes": options.body_bytes(),
            "pictures": options.max_pictures,
            "picture_pixels": options.max_pixels,
            "answers": options.max_n,
            "answer_tokens": app.most().tokens,
            "parallel": options.parallel,
            "queue": options.queue,
        },
        "media": {
            "data": true,
            "remote": options.allows_web(),
            "files": options.media_root.is_some(),
        },
        "requires_key": app.keys.are_asked(),
    }))
}
