//! Which path is answered by what.

use crate::app::App;
use crate::error::Failure;
use crate::{chat, completions, models, openapi, page, plan, responses, state, tokens};
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use std::sync::Arc;

/// Paths, as counts, the log and the description name them.
pub(crate) const PATHS: [&str; 14] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/models",
    "/v1/models/{model}",
    "/v1/plan",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/health",
    "/metrics",
    "/props",
    "/openapi.json",
    "/",
];

/// The path of a request as [`PATHS`] has it.
pub(crate) fn route(path: &str) -> &'static str {
    let one = path.strip_prefix("/v1/models/").is_some_and(|name| !name.is_empty());
    let path = if one { "/v1/models/{model}" } else { path };
    PATHS.into_iter().find(|known| *known == path).unwrap_or(if page::has(path) { "/" } else { "other" })
}

/// The router.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/v1/chat/completions", post(chat::chat))
        .route("/v1/completions", post(completions::completions))
        .route("/v1/responses", post(responses::responses))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*model}", get(models::one))
        .route("/v1/plan", post(plan::plan))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/apply-template", post(tokens::apply_template))
        .route("/health", get(state::health))
        .route("/metrics", get(state::metrics))
        .route("/props", get(state::props))
        .route("/openapi.json", get(openapi::openapi));
    if !app.options.no_page {
        router = page::add(router);
    }
    router.fallback(nowhere).method_not_allowed_fallback(wrong_method).with_state(Arc::clone(app))
}

async fn nowhere() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "nothing is served under this path; /openapi.json lists what is")
        .code("unknown_path")
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let right =
        if matches!(method, Method::GET | Method::HEAD) { "POST" } else { "GET or, for what reads a body, POST" };
    let what = format!("{} is not answered with {}; {right} would be right", route(uri.path()), method);
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, what).code("wrong_method")
}
