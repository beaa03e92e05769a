//! Bodies of requests: JSON of a bounded size, that is there in a bounded time, all of them together in bounded memory.

use crate::error::Failure;
use crate::options::Options;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What bodies may take.
pub(crate) struct Bodies {
    /// Bytes of one.
    most: usize,
    /// KiB of all.
    room: Arc<Semaphore>,
    time: Duration,
}

/// A body that is there, and the room that it takes as long as its request lives.
pub(crate) struct Held {
    bytes: Bytes,
    pub(crate) room: OwnedSemaphorePermit,
}

impl Bodies {
    pub(crate) fn new(options: &Options) -> Bodies {
        let room = (options.max_bodies as usize).saturating_mul(1024).min(Semaphore::MAX_PERMITS);
        Bodies { most: options.body_bytes(), room: Arc::new(Semaphore::new(room)), time: options.read_time() }
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// It is not called JSON (which a page of another site could send without being asked whether it may), too large, too
    /// slow, or broken off.
    pub(crate) async fn read(&self, request: Request<Body>) -> Result<Held, Failure> {
        let (head, mut body) = request.into_parts();
        let read = self.bytes(&head.headers, &mut body).await;
        if read.is_err() {
            linger(body).await;
        }
        read
    }

    async fn bytes(&self, headers: &HeaderMap, body: &mut Body) -> Result<Held, Failure> {
        check_kind(headers)?;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.most) {
            return Err(self.too_large());
        }
        let need = length.unwrap_or(self.most).div_ceil(1024).max(1) as u32;
        let room = tokio::time::timeout(self.time, Arc::clone(&self.room).acquire_many_owned(need)).await;
        let Ok(Ok(room)) = room else {
            let what = "the bodies of other requests take all room; try again later";
            return Err(Failure::later(StatusCode::SERVICE_UNAVAILABLE, "overloaded", what));
        };
        match tokio::time::timeout(self.time, Limited::new(body, self.most).collect()).await {
            Ok(Ok(body)) => Ok(Held { bytes: body.to_bytes(), room }),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(_)) => Err(Failure::bad("the body breaks off")),
            Err(_) => {
                let what = format!("the body is not there after {} seconds", self.time.as_secs());
                Err(Failure::new(StatusCode::REQUEST_TIMEOUT, what).code("timeout"))
            }
        }
    }

    fn too_large(&self) -> Failure {
        let what = format!("the body has more than {} MiB", self.most >> 20);
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, what).code("body_too_large")
    }
}

/// Reads on for a moment: who still sends a body that is refused would else see a broken connection, not why.
pub(crate) async fn linger(body: Body) {
    const MOST: usize = 64 << 20;
    _ = tokio::time::timeout(Duration::from_secs(1), async {
        let (mut body, mut read) = (body, 0);
        while let Some(Ok(frame)) = body.frame().await
            && read < MOST
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    })
    .await;
}

fn check_kind(headers: &HeaderMap) -> Result<(), Failure> {
    let wrong = |what: &str| Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return wrong("the body is not called JSON; the header 'Content-Type: application/json' would be right");
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            wrong("the body is packed (Content-Encoding); plain JSON would be right")
        }
        _ => Ok(()),
    }
}

impl Held {
    /// What it says. Nesting beyond 128 is refused.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Eof => "it breaks off".to_owned(),
                _ => error.to_string(),
            };
            Failure::bad(format!("the body is not valid JSON: {what}")).code("invalid_json")
        })
    }
}
