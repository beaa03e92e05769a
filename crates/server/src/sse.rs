//! Answers that come piece by piece, as server-sent events.

use crate::error::Failure;
use crate::running::Running;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Response, header};
use serde_json::Value;
use smolvlm_engine::{Answer, Progress, TokenLogprobs};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Interval;

/// How an endpoint tells a story: the text of its events.
pub(crate) trait Story: Send + Unpin + 'static {
    /// What comes first.
    fn begin(&mut self) -> String;
    /// A piece of an answer.
    fn more(&mut self, answer: usize, text: &str, id: u32, logprobs: Option<&TokenLogprobs>) -> String;
    /// What comes last.
    fn end(&mut self, answers: &[Answer]) -> String;
    /// Why there is no more.
    fn fail(&mut self, failure: &Failure) -> String;
}

/// `data:` of an event, without a name.
pub(crate) fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// The end of what chat completions and completions tell.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// So often something is said while nothing happens, for whoever stands between to keep the connection.
const PING: Duration = Duration::from_secs(15);

/// The answer to a request: the story of `running`.
pub(crate) fn response(running: Running, story: impl Story) -> Response<Body> {
    let mut ping = tokio::time::interval(PING);
    ping.reset();
    let mut response = Response::new(Body::new(Told { running: Some(running), story, begun: false, ping }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would gather pieces before it sends them on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A story as a body. Dropping it lets the question go.
struct Told<S> {
    /// None behind the end.
    running: Option<Running>,
    story: S,
    begun: bool,
    ping: Interval,
}

impl<S: Story> Told<S> {
    /// The events of what happened.
    fn tell(&mut self, event: Option<Progress>) -> String {
        match event {
            Some(Progress::Begun { .. }) => String::new(),
            Some(Progress::More { answer, text, id, logprobs }) => {
                self.story.more(answer, &text, id, logprobs.as_ref())
            }
            Some(Progress::Done(Ok(answers))) => {
                self.running = None;
                self.story.end(&answers)
            }
            Some(Progress::Done(Err(error))) => {
                self.running = None;
                self.story.fail(&error.into())
            }
            None => {
                self.running = None;
                self.story.fail(&Failure::internal())
            }
        }
    }
}

impl<S: Story> HttpBody for Told<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let told = self.get_mut();
        let mut text = if std::mem::replace(&mut told.begun, true) { String::new() } else { told.story.begin() };
        while let Some(running) = &mut told.running {
            match running.poll(context) {
                // What has come meanwhile goes out together.
                Poll::Ready(event) => text.push_str(&told.tell(event)),
                Poll::Pending if !text.is_empty() => break,
                Poll::Pending => {
                    std::task::ready!(told.ping.poll_tick(context));
                    text.push_str(": still here\n\n");
                    break;
                }
            }
        }
        if text.is_empty() {
            return Poll::Ready(None);
        }
        told.ping.reset();
        Poll::Ready(Some(Ok(hyper::body::Frame::data(text.into()))))
    }
}
