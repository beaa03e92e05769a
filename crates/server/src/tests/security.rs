//! Who may ask: keys, names, origins, TLS.

use super::*;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Every path with a method that it takes.
const PATHS: [(&str, &str); 12] = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/tiny"),
    ("POST", "/v1/plan"),
    ("POST", "/tokenize"),
    ("POST", "/detokenize"),
    ("POST", "/apply-template"),
    ("GET", "/metrics"),
    ("GET", "/props"),
    ("GET", "/no-such-path"),
];

#[test]
fn without_a_key_only_health_and_the_page() {
    let server = Server::start(Options { api_key: vec!["right".into(), "other".into()], ..standard() });
    for (method, path) in PATHS {
        for headers in [
            "",
            "Authorization: Bearer wrong\r\n",
            "Authorization: right\r\n",
            "X-Api-Key: Bearer right\r\n",
            "Cookie: key=right\r\n",
        ] {
            let reply = server.send(method, path, headers, b"");
            assert_eq!(reply.status, 401, "{method} {path} {headers}");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert_eq!(reply.error().1, "invalid_api_key");
        }
    }
    for path in ["/health", "/openapi.json", "/", "/app.js"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for header in ["Authorization: Bearer right\r\n", "authorization: bearer other\r\n", "X-Api-Key: right\r\n"] {
        assert_eq!(server.send("GET", "/v1/models", header, b"").status, 200, "{header}");
    }
    // The key is asked for before the body is read.
    let large =
        asked("POST", "/v1/chat/completions", "Content-Type: application/json\r\nContent-Length: 999999999\r\n", b"");
    assert_eq!(Reply::of(&server.raw(&large)).status, 401);
}

#[test]
fn other_names_and_pages_are_refused() {
    let server = Server::start(standard());
    for (header, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: 127.0.0.1:8080\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: localhost\r\nOrigin: http://localhost\r\n", 200),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
    ] {
        let reply = server.send("GET", "/health", header, b"");
        assert_eq!(reply.status, status, "{header}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let named = Reply::of(
        &server.raw(b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    );
    assert_eq!(named.status, 403);
    let nameless = Reply::of(&server.raw(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"));
    assert_eq!(nameless.status, 400);
}

#[test]
fn pages_of_allowed_origins_may_ask() {
    let server = Server::start(Options {
        cors_origin: vec!["https://app.example".into()],
        api_key: vec!["k".into()],
        ..standard()
    });
    let preflight = server.send(
        "OPTIONS",
        "/v1/chat/completions",
        "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n",
        b"",
    );
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("https://app.example")));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("authorization"));
    let reply = server.send("GET", "/v1/models", "Origin: https://app.example\r\nX-Api-Key: k\r\n", b"");
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin"), reply.header("vary")),
        (200, Some("https://app.example"), Some("origin"))
    );
    let other = server.send(
        "OPTIONS",
        "/v1/chat/completions",
        "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n",
        b"",
    );
    assert_eq!((other.status, other.header("access-control-allow-origin")), (403, None));
}

#[test]
fn heads_that_are_none() {
    let server = Server::start(standard());
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-A: b\r\n".repeat(5_000));
    for head in ["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "\0\0\0\0", &long, &many] {
        let all = server.raw(head.as_bytes());
        let text = String::from_utf8_lossy(&all);
        assert!(all.is_empty() || text.starts_with("HTTP/1.1 4"), "{head:.40}: {text:.100}");
    }
    // Two lengths are a way of smuggling a request.
    let two = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}";
    assert!(String::from_utf8_lossy(&server.raw(two)).starts_with("HTTP/1.1 400"));
    server.is_alive();
}

#[test]
fn answers_carry_what_browsers_need_to_be_careful() {
    let server = Server::start(standard());
    let page = server.get("/");
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    for reply in [page, server.get("/health"), server.get("/nowhere")] {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(reply.header("x-request-id").is_some_and(|id| id.starts_with("req-")));
    }
    let plain = Server::start(Options { no_page: true, ..standard() });
    assert_eq!((plain.get("/").status, plain.get("/app.js").status), (404, 404));
}

#[test]
fn over_tls() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests");
    let (cert, key) = (format!("{folder}/cert.pem"), format!("{folder}/key.pem"));
    let server =
        Server::start(Options { tls_cert: Some(cert.clone().into()), tls_key: Some(key.clone().into()), ..standard() });
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&cert).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let connection = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, server.connect());
    stream.write_all(&asked("GET", "/health", "", b"")).unwrap();
    let mut all = Vec::new();
    _ = stream.read_to_end(&mut all);
    assert_eq!(Reply::of(&all).status, 200);
    // Who speaks without is not answered, and nobody else is disturbed.
    assert!(!server.raw(&asked("GET", "/health", "", b"")).starts_with(b"HTTP"));
    for (cert, key) in [(&key, &key), (&cert, &cert), (&"/nowhere.pem".to_owned(), &key)] {
        let options = Options { tls_cert: Some(cert.into()), tls_key: Some(key.into()), ..standard() };
        assert!(tls::acceptor(&options).is_err());
    }
}
