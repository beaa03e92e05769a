//! The server without a socket: a request in, its whole answer out.

use crate::app::App;
use crate::edge;
use crate::error::Error;
use crate::options::Options;
use crate::router::router;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use smolvlm_engine::Engine;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Answers requests one after the other, for programs that have them by another way.
pub struct Handler {
    app: Arc<App>,
    router: Router,
    runtime: Runtime,
}

impl Handler {
    /// Of a model that clients call `model`. Options of sockets are without effect.
    ///
    /// # Errors
    /// As [`crate::serve`].
    pub fn new(engine: Engine, model: &str, options: &Options) -> Result<Handler, Error> {
        let app = Arc::new(App::new(engine, model, options)?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Ok(Handler { router: router(&app), app, runtime: runtime.map_err(Error::System)? })
    }

    /// What is answered to JSON that somebody on this machine posts under this path: the status and the body, at its end
    /// where it is a stream. `None` where the path can be none.
    pub fn post(&self, path: &str, body: Vec<u8>) -> Option<(u16, Vec<u8>)> {
        let request = Request::post(path).header(header::HOST, "localhost");
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).ok()?;
        self.runtime.block_on(async {
            let answer = edge::answer(Arc::clone(&self.app), self.router.clone(), request).await;
            let answer = answer.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            Some((status, answer.into_body().collect().await.ok()?.to_bytes().to_vec()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::engine;
    use serde_json::{Value, json};

    #[test]
    fn requests_are_answered_without_a_socket() {
        let handler = Handler::new(engine(), "tiny", &Options::standard()).unwrap();
        let post = |path: &str, body: Value| {
            let (status, body) = handler.post(path, body.to_string().into_bytes()).unwrap();
            (status, String::from_utf8(body).unwrap())
        };
        let hello = |stream: bool| json!({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, "stream": stream});
        let (status, text) = post("/v1/chat/completions", hello(false));
        assert_eq!(status, 200, "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["usage"]["completion_tokens"], 2);
        let (status, text) = post("/v1/chat/completions", hello(true));
        assert!(status == 200 && text.ends_with("data: [DONE]\n\n"), "{text}");
        assert_eq!(post("/tokenize", json!({})).0, 400);
        assert_eq!(post("/nowhere", json!({})).0, 404);
        assert!(handler.post("no path\n", Vec::new()).is_none());
    }
}
