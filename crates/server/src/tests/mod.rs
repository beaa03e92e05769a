//! Against a server of a tiny model, over real sockets.

mod answers;
mod clips;
mod connections;
mod media;
mod others;
mod requests;
mod security;

use crate::app::App;
use crate::listen::Listener;
use crate::options::Options;
use crate::{router, tls};
use axum::Router;
use base64::Engine as _;
use serde_json::{Value, json};
use smolvlm_backend::Isa;
use smolvlm_engine::{DTypeChoice, Engine, EngineOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The header of bodies.
const JSON: &str = "Content-Type: application/json\r\n";

/// A tiny model.
pub(crate) fn engine() -> Engine {
    let options = EngineOptions {
        threads: 1,
        isa: Isa::best(),
        dtype: DTypeChoice::Auto,
        narrow_kv: false,
        adapters: Vec::new(),
    };
    Engine::open(&smolvlm_golden::repository().join("golden/idefics3-256m"), &options, &mut |_, _| {}).unwrap()
}

/// A server that stops when it is dropped.
struct Server {
    app: Arc<App>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What a server answers.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    /// Of all that a connection gave.
    fn of(bytes: &[u8]) -> Reply {
        let at =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {bytes:?}"));
        let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = bytes[at + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Reply { status, head, body }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let find = |line: &'_ str| line.split_once(": ").is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| find(line)).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    /// The `data` of each event.
    fn events(&self) -> Vec<Value> {
        let data = self.text().lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    /// That it is an error in OpenAI's form; its parameter and code.
    fn error(&self) -> (String, String) {
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        assert!(error["type"].is_string() && error.get("code").is_some() && error.get("param").is_some(), "{error}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["param"]), text(&error["code"]))
    }
}

fn unchunked(body: &[u8]) -> Vec<u8> {
    let (mut rest, mut whole) = (body, Vec::new());
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if length == 0 || rest.len() < at + 2 + length {
            break;
        }
        whole.extend_from_slice(&rest[at + 2..at + 2 + length]);
        rest = &rest[at + 4 + length..];
    }
    whole
}

/// Options that listen where there is room.
fn standard() -> Options {
    Options { port: 0, ..Options::standard() }
}

impl Server {
    fn start(options: Options) -> Server {
        Server::start_with(options, |router| router)
    }

    fn start_with(options: Options, change: impl FnOnce(Router) -> Router) -> Server {
        let app = Arc::new(App::new(engine(), "/somewhere/tiny", &options).unwrap());
        let router = change(router::router(&app));
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(Listener::of(&options)).unwrap();
        let address = match &listener {
            Listener::Tcp(listener) => listener.local_addr().unwrap(),
            #[cfg(unix)]
            Listener::Unix(..) => ([127, 0, 0, 1], 0).into(),
        };
        let (of_thread, tls) = (Arc::clone(&app), tls::acceptor(&options).unwrap());
        let thread = std::thread::spawn(move || {
            runtime.block_on(crate::connections::serve(&of_thread, router, listener, tls, stopped));
            runtime.shutdown_background();
        });
        Server { app, address, stop, thread: Some(thread) }
    }

    /// A connection with a time limit, so that a test which would hang fails.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends bytes as they are and reads all that comes.
    fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        _ = stream.write_all(bytes); // it may have refused before all is sent
        let mut all = Vec::new();
        _ = stream.read_to_end(&mut all);
        all
    }

    fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        Reply::of(&self.raw(&asked(method, path, headers, body)))
    }

    fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", b"")
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, JSON, body.to_string().as_bytes())
    }

    fn chat(&self, body: Value) -> Reply {
        self.post("/v1/chat/completions", &body)
    }

    /// Waits until something is so.
    fn until(&self, what: &str, is: impl Fn(&App) -> bool) {
        let start = Instant::now();
        while !is(&self.app) {
            assert!(start.elapsed() < Duration::from_secs(30), "{what}: {:?}", self.app.service.counts());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// That it answers, and others are not disturbed.
    fn is_alive(&self) {
        let reply = self.chat(hello(3));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server's thread panicked");
        }
    }
}

/// A request as it goes over the wire.
fn asked(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let host = if headers.to_ascii_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}{length}\r\n");
    [head.as_bytes(), body].concat()
}

/// A chat of one question with an answer of so many tokens.
fn hello(tokens: usize) -> Value {
    json!({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": tokens, "min_tokens": tokens})
}

/// A picture of the golden files as a `data:` address.
fn picture(name: &str) -> String {
    let bytes = std::fs::read(smolvlm_golden::folder().join("images").join(name)).unwrap();
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// A question about pictures.
fn about(urls: &[&str]) -> Value {
    let mut parts: Vec<Value> =
        urls.iter().map(|url| json!({"type": "image_url", "image_url": {"url": url}})).collect();
    parts.push(json!({"type": "text", "text": "What is it?"}));
    json!({"messages": [{"role": "user", "content": parts}], "max_tokens": 4})
}
