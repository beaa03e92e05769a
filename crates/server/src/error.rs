//! What a client is told when its request is refused: a status, and a body in OpenAI's form. No message names a path, an
//! address or a key of this machine.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use smolvlm_engine as engine;
use smolvlm_processor as processor;

/// What would be right where nobody can listen.
fn hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "; another --port, or 0, which takes any that is free, would be right",
        std::io::ErrorKind::PermissionDenied => "; a --port above 1023 may be open to you",
        _ => "",
    }
}

/// Why the server does not start, or ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Options that do not fit together, or a value that is none.
    #[error("{0}")]
    Options(String),
    /// A file that options name.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A certificate or its key.
    #[error("{path}: {what}")]
    Tls {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// Nobody can listen there.
    #[error("{place}: {source}{}", hint(source))]
    Listen {
        /// Where.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no threads or no signals.
    #[error("the server cannot run: {0}")]
    System(#[from] std::io::Error),
    /// The model's own settings.
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// OpenAI's `type`.
    pub(crate) kind: &'static str,
    /// OpenAI's `code`: the reason as a word for programs.
    pub(crate) code: Option<&'static str>,
    /// The field that is to blame.
    pub(crate) param: Option<String>,
    /// After how many seconds it may be tried again.
    pub(crate) retry_after: Option<u32>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        let kind = match status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        Failure { status, message: message.into(), kind, code: None, param: None, retry_after: None }
    }

    /// A field is wrong: what is found and what would be right.
    pub(crate) fn field(param: &str, message: impl Into<String>) -> Failure {
        Failure::bad(message).of(param)
    }

    /// The request is wrong.
    pub(crate) fn bad(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, message)
    }

    /// The server is to blame; what happened stands in the log alone.
    pub(crate) fn internal() -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong in the server; its log says what")
            .code("internal_error")
    }

    /// It may be tried again.
    pub(crate) fn later(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { retry_after: Some(1), ..Failure::new(status, message).code(code) }
    }

    /// The server is about to stop.
    pub(crate) fn stopping() -> Failure {
        Failure::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the server is about to stop and takes no more requests",
        )
    }

    pub(crate) fn code(self, code: &'static str) -> Failure {
        Failure { code: Some(code), ..self }
    }

    pub(crate) fn of(self, param: &str) -> Failure {
        Failure { param: Some(param.to_owned()), ..self }
    }

    /// The body: `{"error": {"message", "type", "code", "param"}}`.
    pub(crate) fn json(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "code": self.code, "param": self.param}})
    }

    /// The answer to the client.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.json().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        self.response()
    }
}

/// What the engine says of a request. What is wrong with the model's own files or with the machine is for the log.
impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Failure {
        use engine::Error as E;
        match &error {
            E::Processor(_) => {
                let E::Processor(error) = error else { return Failure::internal() };
                error.into()
            }
            E::Sampling { name, .. } | E::Token { name, .. } | E::EmptySequence { name } => {
                let param = name.replace('-', "_");
                Failure::field(&param, error.to_string())
            }
            E::NoRoom { prompt, limit } => Failure::field(
                "max_tokens",
                format!(
                    "the prompt has {prompt} tokens, and the model's own settings allow {limit} with the answer; \
                     max_tokens sets another limit"
                ),
            ),
            E::Contradiction { .. } | E::NothingLeft | E::MakesVectors | E::MakesWords => {
                Failure::bad(error.to_string())
            }
            E::Memory { .. } => Failure::later(
                StatusCode::SERVICE_UNAVAILABLE,
                "out_of_memory",
                "there is not memory enough for this request now; a shorter or smaller one may fit",
            ),
            E::Grammar(_) => Failure::bad(error.to_string()).code("invalid_grammar"),
            E::Stopped => Failure::stopping(),
            other => {
                tracing::error!(error = %other, "a request failed");
                Failure::internal()
            }
        }
    }
}

/// What the processor says of a chat or a picture.
impl From<processor::Error> for Failure {
    fn from(error: processor::Error) -> Failure {
        use processor::Error as E;
        match error {
            E::ContextTooLong { needed, context } => Failure::field(
                "messages",
                format!(
                    "the prompt needs at least {needed} tokens, but the context holds {context}; fewer or smaller pictures \
                     (max_edge) or a shorter text would fit"
                ),
            )
            .code("context_length_exceeded"),
            E::PictureFile { source, .. } => (*source).into(),
            E::Template { reason, .. } => Failure::field("messages", format!("the chat template {reason}")),
            E::Setting { path, key, found, expected } if path == "options" => {
                let param = if key == "longest_edge" { "max_edge" } else { &key };
                Failure::field(param, format!("{param} is {found}; {expected}"))
            }
            E::DataUrl { reason } => Failure::field("messages", reason).code("invalid_image"),
            E::PictureFormat { .. }
            | E::NoFrame { .. }
            | E::FrameTooFar
            | E::ZeroSize { .. }
            | E::TooManyPixels { .. }
            | E::PictureTruncated { .. }
            | E::PictureCorrupt { .. }
            | E::PictureUnsupported { .. }
            | E::NoDecoder { .. }
            | E::ThinPicture { .. }
            | E::PlanTooLarge { .. } => Failure::field("messages", error.to_string()).code("invalid_image"),
            E::Messages { .. }
            | E::Message { .. }
            | E::SeesNothing
            | E::PictureWithoutPlace { .. }
            | E::PlaceWithoutPicture { .. } => Failure::field("messages", error.to_string()),
            other => {
                tracing::error!(error = %other, "a request failed");
                Failure::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_openais_form() {
        let failure = Failure::field("top_p", "it is 2").code("x");
        let want =
            json!({"error": {"message": "it is 2", "type": "invalid_request_error", "code": "x", "param": "top_p"}});
        assert_eq!(failure.json(), want);
        let response = Failure::stopping().response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn messages_name_no_paths() {
        let read = processor::Error::Read { path: "/secret/a".into(), source: std::io::ErrorKind::NotFound.into() };
        let picture = processor::Error::PictureFile {
            path: "/secret/b".into(),
            source: Box::new(processor::Error::ZeroSize { width: 0, height: 1 }),
        };
        let template = processor::Error::Template { path: "/secret/c".into(), reason: "refuses".into() };
        for (error, status) in [(read, 500), (picture, 400), (template, 400)] {
            let failure = Failure::from(engine::Error::from(error));
            assert_eq!(failure.status, status);
            assert!(!failure.message.contains("secret"), "{}", failure.message);
        }
    }

    #[test]
    fn settings_out_of_range_name_their_field() {
        let error = engine::Error::Sampling { name: "top-p", value: 2.0, range: "at most 1" };
        let failure = Failure::from(error);
        assert_eq!((failure.status.as_u16(), failure.param.as_deref()), (400, Some("top_p")));
    }
}
