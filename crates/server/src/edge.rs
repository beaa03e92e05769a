//! The edge that every request passes: who may ask, what is counted and logged, and panics that end here.

use crate::app::App;
use crate::body::linger;
use crate::error::Failure;
use crate::router::route;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;
use tower::ServiceExt;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request.
pub(crate) async fn answer(
    app: Arc<App>,
    router: Router,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let start = Instant::now();
    let (method, route) = (method(request.method()), route(request.uri().path()));
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
    let id = crate::app::fresh_id("req");
    // Whatever the log says of this request stands in its span, and so has its name.
    let span = tracing::error_span!("request", %id);
    let answered = Caught(Box::pin(through(&app, router, request).instrument(span.clone())));
    let answered = answered.await;
    let _within = span.entered();
    let mut response = answered.unwrap_or_else(|Panicked| {
        app.metrics.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(route, "a request's handling panicked");
        Failure::internal().response()
    });
    headers(&app, response.headers_mut(), &id, origin.as_deref());
    let status = response.status().as_u16();
    app.metrics.request(route, method, status);
    let seconds = start.elapsed().as_secs_f64();
    match status {
        // Who is turned away is no failure of the server's.
        503 => tracing::warn!(method, route, status, seconds, "replied"),
        500.. => tracing::error!(method, route, status, seconds, "replied"),
        401 | 403 => tracing::warn!(method, route, status, seconds, "replied"),
        _ => tracing::info!(method, route, status, seconds, "replied"),
    }
    Ok(response)
}

async fn through(app: &Arc<App>, router: Router, request: Request<Body>) -> Response<Body> {
    if let Err(failure) = app.callers.check(request.uri(), request.headers()) {
        linger(request.into_body()).await;
        return failure.response();
    }
    if request.method() == Method::OPTIONS && request.headers().contains_key(header::ORIGIN) {
        return preflight();
    }
    if !is_open(request.uri().path())
        && let Err(failure) = app.keys.check(request.headers())
    {
        linger(request.into_body()).await;
        return failure.response();
    }
    router.oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// Whether a path is for whoever comes: it tells nothing of the model's use.
fn is_open(path: &str) -> bool {
    path == "/health" || path == "/openapi.json" || crate::page::has(path)
}

/// The answer to a page that asks whether it may ask. The origin was checked.
fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, x-api-key, openai-organization, openai-project"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// What every answer carries.
fn headers(app: &App, headers: &mut HeaderMap, id: &str, origin: Option<&str>) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Some(allowed) = origin.and_then(|origin| app.callers.cors(origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id, retry-after"));
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// A method as counts name it: what anybody may type is one word.
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A future whose panics end with it.
struct Caught<F>(Pin<Box<F>>);

struct Panicked;

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_at_the_edge() {
        let panics = async {
            if std::hint::black_box(true) {
                panic!("a fault")
            }
        };
        assert!(Caught(Box::pin(panics)).await.is_err());
        assert!(Caught(Box::pin(async { 1 })).await.is_ok_and(|one| one == 1));
    }
}
