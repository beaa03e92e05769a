//! Pictures from elsewhere than files, and later frames, through the program.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use base64::{Engine, prelude::BASE64_STANDARD};
use common::{smolvlm, smolvlm_with, text};
use smolvlm_golden::repository;
use std::io::{Read, Write};
use std::net::TcpListener;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(repository().join("golden/pictures").join(name)).unwrap()
}

/// What `explain` says of a picture: "WIDTHxHEIGHT".
fn size(args: &[&str], stdin: &[u8]) -> String {
    let line = smolvlm_with(&[&["explain", "--preset", "256m", "--json"], args].concat(), stdin).ok();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    format!("{}x{}", line["width"], line["height"])
}

fn refusal(args: &[&str], stdin: &[u8]) -> String {
    smolvlm_with(&[&["explain", "--preset", "256m"], args].concat(), stdin).refused()
}

fn data_url(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes))
}

#[test]
fn stdin_and_data_urls() {
    let webp = file("webp-lossy-37x29.webp");
    assert_eq!(size(&["-"], &webp), "37x29");
    assert_eq!(size(&[&data_url(&webp)], b""), "37x29");
    assert!(refusal(&["-"], b"").contains("stdin is empty"));
    assert!(refusal(&["-"], b"hello").starts_with("error: stdin: not a picture that can be read"));
    assert!(refusal(&["-", "-"], &webp).contains("stands twice"));
    assert!(refusal(&["data:image/png;base64,?"], b"").contains("not base64"));
    assert!(refusal(&["data:image/png,AAAA"], b"").contains("not base64; data:image/png;base64,"));
    assert!(refusal(&[&data_url(&webp[..50])], b"").contains("data:image/png;base64: the WebP picture is truncated"));
}

#[test]
fn an_answer_about_stdin_is_that_about_the_file() {
    let model = repository().join("golden/idefics3-256m");
    let path = repository().join("golden/images/small.png");
    let bytes = std::fs::read(&path).unwrap();
    let asked = |picture: &str, stdin: &[u8]| {
        smolvlm_with(&["run", "-m", text(&model), picture, "What?", "-n", "3"], stdin).ok()
    };
    let expected = asked(text(&path), b"");
    assert_eq!(asked("-", &bytes), expected);
    assert_eq!(asked(&data_url(&bytes), b""), expected);
    let part = format!(r#"{{"type":"image","url":"{}"}}"#, data_url(&bytes));
    let chat = format!(r#"[{{"role":"user","content":[{part},{{"type":"text","text":"What?"}}]}}]"#);
    let call = ["run", "-m", text(&model), "--messages", "-", "-n", "3"];
    assert_eq!(smolvlm_with(&call, &chat).ok(), expected);
    let both = smolvlm_with(&["run", "-m", text(&model), "-", "-p", "-"], "What?").refused();
    assert!(both.contains("stdin holds one"), "{both}");
}

#[cfg(feature = "net")]
#[test]
fn addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let picture = file("webp-lossy-37x29.webp");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).unwrap();
            let found = asked[..length].starts_with(b"GET /picture ");
            let status = if found { "200 OK" } else { "404 Not Found" };
            let body: &[u8] = if found { &picture } else { b"" };
            write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
            let _ = stream.write_all(body);
        }
    });
    let url = format!("http://{address}/picture");
    assert_eq!(size(&[&url, "--allow-private"], b""), "37x29");
    assert!(refusal(&[&url], b"").contains("only public ones are fetched from (--allow-private allows them)"));
    let missing = refusal(&[&format!("http://{address}/"), "--allow-private"], b"");
    assert!(missing.contains("answers with the status 404"), "{missing}");
    assert!(refusal(&["http://a:b@example.org/"], b"").contains("http://...@example.org"));
}

#[test]
fn frames() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, file(name)).unwrap();
        path
    };
    let pages = write("tiff-pages.tif");
    assert_eq!(size(&[text(&pages)], b""), "13x7");
    assert_eq!(size(&[text(&pages), "--frame", "2"], b""), "4x9");
    let beyond = refusal(&[text(&pages), "--frame", "3"], b"");
    assert!(beyond.contains("there is no frame 3: the file has 3, counted from 0"), "{beyond}");
    let png = write("rgb8.png");
    assert!(refusal(&[text(&png), "--frame", "1"], b"").contains("the file has 1"));
    assert!(refusal(&[text(&png), "--frame", "-1"], b"").contains("--frame"));
}

/// Without a desktop, as where tests run.
#[cfg(target_os = "linux")]
#[test]
fn no_clipboard() {
    if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some() {
        return;
    }
    let error = smolvlm(&["explain", "--clipboard", "--preset", "256m"]).refused();
    assert!(error.contains("clipboard"), "{error}");
}
