//! `smolvlm serve` as a process: where it says that it listens, its file of options, and how it ends.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(all(unix, feature = "serve"))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn serve(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smolvlm"));
    let model = smolvlm_golden::repository().join("golden/idefics3-256m");
    command.arg("serve").arg("-m").arg(model).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server, and where it says that it listens.
fn started(words: &[&str]) -> (Child, String) {
    let mut child = serve(words).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    (child, address)
}

fn get(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits for the end; a server that does not end is a failure.
fn ended(mut child: Child) -> (i32, String) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn it_says_where_it_listens_and_ends_in_good_order() {
    for name in ["TERM", "INT"] {
        let (child, address) = started(&["--port", "0"]);
        assert!(get(&address, "/health", "").starts_with("HTTP/1.1 200"));
        signal(&child, name);
        let (code, log) = ended(child);
        assert_eq!(code, 0, "{log}");
        assert!(log.contains("stopping in good order") && log.contains("stopped"), "{log}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let (child, address) = started(&["--port", "0", "--drain-timeout", "3600"]);
    let mut stream = TcpStream::connect(&address).unwrap();
    let body =
        r#"{"messages": [{"role": "user", "content": "a"}], "min_tokens": 8000, "max_tokens": 8000, "stream": true}"#;
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    signal(&child, "TERM");
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, "TERM");
    let (code, log) = ended(child);
    // The answer may have ended between the two.
    assert!(code == 130 || code == 0, "{code} {log}");
}

#[test]
fn it_ends_while_it_loads() {
    for wait in [0, 1, 5, 20, 60] {
        let child = serve(&["--port", "0"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        signal(&child, "TERM");
        // Before it listens the system ends it, later it does so itself.
        let (code, log) = ended(child);
        assert!(code == 0 || code == -1, "{code} {log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn a_file_of_options_and_a_log_without_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let (config, keys) = (dir.path().join("serve.toml"), dir.path().join("keys"));
    std::fs::write(&keys, "a-secret-key\n").unwrap();
    std::fs::write(&config, format!("port = 0\nlog-format = \"json\"\napi-key-file = \"{}\"\n", keys.display()))
        .unwrap();
    let (child, address) = started(&["--config", config.to_str().unwrap()]);
    assert!(get(&address, "/v1/models", "").starts_with("HTTP/1.1 401"));
    assert!(get(&address, "/v1/models?secret-word", "X-Api-Key: a-secret-key\r\n").starts_with("HTTP/1.1 200"));
    signal(&child, "TERM");
    let (code, log) = ended(child);
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("secret"), "{log}");
    for line in log.lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
}

#[test]
fn all_lines_of_a_request_have_its_name() {
    let (child, address) = started(&["--port", "0", "--log-format", "json"]);
    let body = r#"{"messages": [{"role": "user", "content": "a"}], "max_tokens": 4}"#;
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let id = reply.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    signal(&child, "TERM");
    let (_, log) = ended(child);
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for message in ["answered", "replied"] {
        let line = lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message}: {log}"));
        assert_eq!(line["span"]["id"], id, "{log}");
    }
}

#[test]
fn options_that_are_wrong_are_said_before_the_model_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("serve.toml");
    std::fs::write(&config, "prot = 1\n").unwrap();
    for (words, says, code) in [
        (&["--config", config.to_str().unwrap()][..], "'prot' is no option", 2),
        (&["--tls-cert", "a.pem"], "--tls-key", 2),
        (&["--port", "70000"], "70000", 2),
        (&["--port", "9", "--unix", "/nowhere/a.sock"], "--unix", 2),
        (&["--cors-origin", "app.example"], "https://app.example.org", 2),
        (&["--allow-media-domain", "https://images.example"], "a name alone", 2),
        (&["--api-key-file", "/nowhere/keys"], "/nowhere/keys", 1),
        (&["--media-root", "/nowhere"], "/nowhere", 1),
        (&["--host", "192.0.2.1"], "192.0.2.1:8080", 1),
    ] {
        let (found, log) = ended(serve(words).spawn().unwrap());
        assert!(found == code && log.contains(says), "{words:?}: {found} {log}");
    }
}
