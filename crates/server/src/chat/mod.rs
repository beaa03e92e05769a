//! `POST /v1/chat/completions`: pictures and a chat in, an answer out, whole or piece by piece.

mod answer;
mod request;
mod showing;
mod stream;

use crate::app::App;
use crate::error::Failure;
use crate::reply::Json;
use crate::sse;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use request::ChatRequest;
use std::sync::Arc;

pub(crate) use request::{TOOLS, messages, passed_over, stream as stream_fields, view};
pub(crate) use showing::Showing;

/// The endpoint.
pub(crate) async fn chat(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let body = app.bodies.read(request).await?;
    let read = app.aside(move |app| Ok((ChatRequest::of(&body.json()?, app)?, body.room)));
    let (ChatRequest { question, how }, room) = read.await?;
    let mut running = app.ask(question).await?.holding(room);
    if how.stream {
        running.begun().await?;
        return Ok(sse::response(running, stream::Chunks::new(&app, how)));
    }
    let answers = running.answers().await?;
    Ok(Json(answer::whole(&app, &answers, how.logprobs)).into_response())
}
