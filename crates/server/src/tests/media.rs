//! Pictures of the web and of a folder, as far as they are allowed.

use super::*;
use std::net::TcpListener;

/// A host that answers a path with a picture, and sends others on.
fn host() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let picture = std::fs::read(smolvlm_golden::folder().join("images/small.png")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, picture) = (stream.unwrap(), picture.clone());
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                let mut byte = [0];
                while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    asked.push(byte[0]);
                }
                let path = String::from_utf8_lossy(&asked).split(' ').nth(1).unwrap_or_default().to_owned();
                let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n");
                let answer = match path.as_str() {
                    "/small.png" => [head("200 OK", "").as_bytes(), &picture].concat(),
                    "/elsewhere" => head("302 Found", "Location: http://elsewhere.example/a.png\r\n").into_bytes(),
                    "/meta" => head("302 Found", "Location: http://169.254.169.254/latest\r\n").into_bytes(),
                    "/passwd" => head("302 Found", "Location: file:///etc/passwd\r\n").into_bytes(),
                    "/page" => [head("200 OK", "").as_bytes(), b"<html>secret"].concat(),
                    "/large" => [head("200 OK", "").as_bytes(), &vec![0; 3 << 20]].concat(),
                    _ => head("404 Not Found", "Content-Length: 0\r\n").into_bytes(),
                };
                _ = stream.write_all(&answer);
            });
        }
    });
    address
}

fn error(server: &Server, url: &str, status: u16) -> (String, String) {
    let reply = server.chat(about(&[url]));
    assert_eq!(reply.status, status, "{url}: {}", reply.text());
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    (reply.error().1, message)
}

#[test]
fn the_web_is_closed_until_it_is_opened() {
    let server = Server::start(standard());
    for url in ["http://127.0.0.1/", "https://example.org/a.png", "http://169.254.169.254/latest/meta-data"] {
        assert_eq!(error(&server, url, 403).0, "remote_media_not_allowed");
    }
    assert_eq!(error(&server, "file:///etc/passwd", 403).0, "file_media_not_allowed");
    server.is_alive();
}

#[test]
fn private_addresses_stay_closed() {
    let server = Server::start(Options { allow_remote_media: true, ..standard() });
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "user:pass@127.0.0.1",
    ] {
        let (code, message) = error(&server, &format!("http://{host}/small.png"), 400);
        assert_eq!(code, "invalid_image_url", "{host}");
        assert!(!message.contains("pass@"), "{message}");
    }
    server.is_alive();
}

#[test]
fn hosts_that_are_allowed_and_where_they_lead() {
    let address = host();
    let options =
        Options { allow_media_domain: vec!["127.0.0.1".into()], allow_private_media: true, max_body: 1, ..standard() };
    let server = Server::start(options);
    let at = |path: &str| format!("http://{address}{path}");
    let fetched = server.chat(about(&[&at("/small.png")]));
    assert_eq!(fetched.status, 200, "{}", fetched.text());
    assert_eq!(fetched.json()["choices"], server.chat(about(&[&picture("small.png")])).json()["choices"]);
    for (path, says) in [
        ("/elsewhere", "elsewhere.example is none of the hosts"),
        ("/meta", "169.254.169.254 is none of the hosts"),
        ("/passwd", "is no URL"),
        ("/missing", "404"),
        ("/large", "more than 1048576 bytes"),
    ] {
        let (code, message) = error(&server, &at(path), 400);
        assert_eq!(code, "invalid_image_url", "{path}");
        assert!(message.contains(says), "{path}: {message}");
    }
    // What is no picture does not come out again.
    let (code, message) = error(&server, &at("/page"), 400);
    assert!(code == "invalid_image" && !message.contains("secret"), "{message}");
    assert!(error(&server, "http://localhost/small.png", 400).1.contains("none of the hosts"));
    server.is_alive();
}

#[test]
fn files_of_the_folder() {
    let root = smolvlm_golden::folder().join("images");
    let server = Server::start(Options { media_root: Some(root.clone()), ..standard() });
    let want = server.chat(about(&[&picture("small.png")])).json()["choices"].clone();
    for url in ["file:small.png".to_owned(), format!("file://{}/small.png", root.canonicalize().unwrap().display())] {
        let reply = server.chat(about(&[&url]));
        assert_eq!((reply.status, &reply.json()["choices"]), (200, &want), "{url}");
    }
    for url in [
        "file:///etc/passwd",
        "file:../metrics.jsonl",
        "file:%2e%2e/metrics.jsonl",
        "file:///proc/self/environ",
        "file:nowhere.png",
        "file:",
    ] {
        let (code, message) = error(&server, url, 400);
        assert_eq!(code, "invalid_image", "{url}");
        assert!(!message.contains("passwd") && !message.contains("proc"), "{message}");
    }
    server.is_alive();
}
