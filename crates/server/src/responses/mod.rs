//! `POST /v1/responses`: text and pictures in, an answer out, whole or as typed events. Nothing is kept: each request
//! brings the whole conversation.

mod object;
mod request;
mod stream;

use crate::app::App;
use crate::error::Failure;
use crate::reply::Json;
use crate::sse;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use object::Shape;
use request::ResponseRequest;
use std::sync::Arc;

/// The endpoint.
pub(crate) async fn responses(State(app): State<Arc<App>>, request: Request<Body>) -> Result<Response<Body>, Failure> {
    let body = app.bodies.read(request).await?;
    let read = app.aside(move |app| Ok((ResponseRequest::of(&body.json()?, app)?, body.room)));
    let (ResponseRequest { question, stream, echo }, room) = read.await?;
    let logprobs = question.decoding.sampling.logprobs.is_some();
    let mut running = app.ask(question).await?.holding(room);
    let shape = Shape::new(app.name(), echo, logprobs);
    if stream {
        running.begun().await?;
        return Ok(sse::response(running, stream::Events::new(&app, shape)));
    }
    let answers = running.answers().await?;
    let answer = answers.first().ok_or_else(Failure::internal)?;
    Ok(Json(shape.ended(app.engine(), answer)).into_response())
}
