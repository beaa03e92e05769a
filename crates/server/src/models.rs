//! `GET /v1/models` and `GET /v1/models/{model}`: the one model that is served, by all of its names.

use crate::app::App;
use crate::error::Failure;
use crate::reply::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;

fn about(app: &App, name: &str) -> Value {
    let processor = app.engine().processor();
    json!({
        "id": name,
        "object": "model",
        "created": app.created,
        "owned_by": "smolvlm",
        "max_model_len": processor.context(),
        "modalities": if processor.settings().sight.is_some() { json!(["text", "image"]) } else { json!(["text"]) },
    })
}

/// All names.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json {
    let models: Vec<Value> = app.names.iter().map(|name| about(&app, name)).collect();
    Json(json!({"object": "list", "data": models}))
}

/// One of them.
pub(crate) async fn one(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Json, Failure> {
    app.check_model(Some(&name))?;
    Ok(Json(about(&app, &name)))
}
