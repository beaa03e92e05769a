//! Requests that are wrong: one clear error each, and the server answers on.

use super::*;

/// That a body is refused with a status; its error's parameter and code.
fn refused(server: &Server, path: &str, body: &Value, status: u16) -> (String, String) {
    let reply = server.post(path, body);
    assert_eq!(reply.status, status, "{:.200}: {}", body.to_string(), reply.text());
    reply.error()
}

#[test]
fn fields_of_a_wrong_kind_are_named() {
    let server = Server::start(standard());
    let with = |field: &str, value: Value| {
        let mut asked = hello(2);
        asked[field] = value;
        asked
    };
    for (asked, param) in [
        (json!({}), "messages"),
        (json!({"messages": "hello"}), "messages"),
        (json!({"messages": []}), "messages"),
        (with("temperature", json!("warm")), "temperature"),
        (with("temperature", json!(-1)), "temperature"),
        (with("temperature", json!(1e300)), "temperature"),
        (with("max_tokens", json!(-1)), "max_tokens"),
        (with("max_tokens", json!(1e300)), "max_tokens"),
        (with("n", json!(1_000_000_000)), "n"),
        (with("n", json!(0)), "n"),
        (with("seed", json!(1e30)), "seed"),
        (with("top_k", json!(-5)), "top_k"),
        (with("top_logprobs", json!(5)), "top_logprobs"),
        (with("stop", json!(vec!["a"; 1_000_000])), "stop"),
        (with("logit_bias", json!({"99999": 1})), "logit_bias"),
        (with("stream", json!("yes")), "stream"),
        (with("stream_options", json!({"include_usage": true})), "stream_options"),
        (with("response_format", json!({"type": "xml"})), "response_format.type"),
        (with("tools", json!([{"type": "function"}])), "tools"),
        (with("functions", json!([{}])), "functions"),
        (with("tool_choice", json!("auto")), "tool_choice"),
        (with("modalities", json!(["audio"])), "modalities"),
        (with("store", json!(true)), "store"),
        (with("chat_template", json!("{{ 7 * 7 }}")), "chat_template"),
        (with("n_discard", json!(-1)), "n_discard"),
        (with("no_such_field", json!(1)), "no_such_field"),
        (with("max_edge", json!(0)), "max_edge"),
        (with("max_edge", json!(1_000_000)), "max_edge"),
        (with("beams", json!(64)), "beams"),
        (with("min_tokens", json!(-1)), "min_tokens"),
    ] {
        assert_eq!(refused(&server, "/v1/chat/completions", &asked, 400).0, param, "{:.100}", asked.to_string());
    }
    // The same answer twice, as no token is drawn.
    let mut twice = with("n", json!(2));
    twice["temperature"] = json!(0);
    assert_eq!(refused(&server, "/v1/chat/completions", &twice, 400).0, "");
    server.is_alive();
}

#[test]
fn bodies_that_are_no_json() {
    let server = Server::start(standard());
    let json_header = JSON;
    let deep = "[".repeat(100_000);
    let deeper = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    for body in [
        "",
        "{",
        "nonsense",
        "{\"messages\": NaN}",
        "{\"temperature\": 1e999}",
        "{\"messages\": \"\\ud800\"}",
        "[1",
        &deep,
        &deeper,
        "{\"messages\": []} {}",
        "\u{feff}{}",
    ] {
        let reply = server.send("POST", "/v1/chat/completions", json_header, body.as_bytes());
        assert_eq!(reply.status, 400, "{body:.60}: {}", reply.text());
        assert_eq!(reply.error().1, "invalid_json", "{body:.60}");
    }
    let bytes = [b"{\"messages\": \"".as_slice(), &[0xFF, 0xFE], b"\"}"].concat();
    assert_eq!(server.send("POST", "/v1/chat/completions", json_header, &bytes).status, 400);
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data\r\n",
    ] {
        let reply = server.send("POST", "/v1/chat/completions", kind, hello(1).to_string().as_bytes());
        assert_eq!(reply.status, 415, "{kind}");
        reply.error();
    }
    let packed = format!("{json_header}Content-Encoding: gzip\r\n");
    assert_eq!(server.send("POST", "/v1/chat/completions", &packed, b"\x1f\x8b").status, 415);
    let odd = "Content-Type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(server.send("POST", "/v1/chat/completions", odd, hello(1).to_string().as_bytes()).status, 200);
    server.is_alive();
}

#[test]
fn texts_that_are_odd_are_texts() {
    let server = Server::start(standard());
    for text in
        ["\0", "\u{FDD0}", "a\u{0}b", "\u{202e}\u{200b}", "", "🦀".repeat(50).as_str(), "{{ 7 * 7 }} {% for x in y %}"]
    {
        let reply = server.chat(json!({"messages": [{"role": "user", "content": text}], "max_tokens": 2}));
        assert_eq!(reply.status, 200, "{text:?}: {}", reply.text());
    }
    // An emoji in two escaped halves is whole.
    let halves = br#"{"messages": [{"role": "user", "content": "\ud83e\udd80"}], "max_tokens": 1}"#;
    assert_eq!(server.send("POST", "/v1/chat/completions", JSON, halves).status, 200);
}

#[test]
fn bodies_that_are_too_large() {
    let server = Server::start(Options { max_body: 1, ..standard() });
    let large = json!({"messages": [{"role": "user", "content": "a".repeat(2 << 20)}]}).to_string();
    let reply = server.send("POST", "/v1/chat/completions", JSON, large.as_bytes());
    assert_eq!(reply.status, 413);
    assert_eq!(reply.error().1, "body_too_large");
    // One that does not say how large it is.
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let reply = Reply::of(&server.raw((head.to_owned() + &chunk.repeat(20) + "0\r\n\r\n").as_bytes()));
    assert_eq!(reply.status, 413);
    // A picture of 200 MB: what is past the limit is not kept, and the client learns why.
    let length = 200 << 20;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{{\"messages\": [{{\"role\": \"user\", \"content\": \
         [{{\"type\": \"image_url\", \"image_url\": \"data:image/png;base64,"
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![b'A'; 1 << 20];
    let sent = (0..length >> 20).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(sent < length >> 20, "all of it was read");
    // An answer may be lost where the connection is cut under what is still sent: then another is asked, who stops sooner.
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let reply = Reply::of(&all);
    assert_eq!((reply.status, reply.error().1.as_str()), (413, "body_too_large"));
    // One that lies about it.
    let lies = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n";
    assert!(matches!(Reply::of(&server.raw(lies.as_bytes())).status, 400 | 413));
    server.is_alive();
}

#[test]
fn paths_methods_and_models_that_are_not_there() {
    let server = Server::start(standard());
    for path in [
        "/v1/embeddings",
        "/v1/chat",
        "/v2/chat/completions",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/v1/models/",
        "/index.html",
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, 404, "{path}");
        reply.error();
    }
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("POST", "/health"),
        ("DELETE", "/v1/models"),
        ("PUT", "/"),
        ("BREW", "/tokenize"),
        ("TRACE", "/health"),
    ] {
        let reply = server.send(method, path, "", b"");
        assert_eq!(reply.status, 405, "{method} {path}");
        assert!(reply.header("allow").is_some(), "{method} {path}: {}", reply.head);
        reply.error();
    }
    let mut asked = hello(1);
    asked["model"] = json!("gpt-4o");
    assert_eq!(refused(&server, "/v1/chat/completions", &asked, 404), ("model".into(), "model_not_found".into()));
    assert_eq!(server.get("/v1/models/gpt-4o").status, 404);
    let named = Server::start(Options { alias: vec!["gpt-4o".into(), "org/name".into()], ..standard() });
    assert_eq!(named.chat(asked).status, 200);
    assert_eq!(named.get("/v1/models/org/name").json()["id"], "org/name");
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_read() {
    let server = Server::start(Options { max_pictures: 400, ..standard() });
    let long = |bytes: usize| json!({"messages": [{"role": "user", "content": "word ".repeat(bytes / 5)}]});
    for bytes in [100_000, 20_000_000] {
        let (param, code) = refused(&server, "/v1/chat/completions", &long(bytes), 400);
        assert_eq!((param.as_str(), code.as_str()), ("messages", "context_length_exceeded"));
    }
    let url = picture("wide.png");
    let (param, code) = refused(&server, "/v1/chat/completions", &about(&vec![url.as_str(); 300]), 400);
    assert_eq!((param.as_str(), code.as_str()), ("messages", "context_length_exceeded"));
    let few = Server::start(Options { max_pictures: 2, ..standard() });
    assert_eq!(refused(&few, "/v1/chat/completions", &about(&[url.as_str(); 3]), 400).1, "too_many_images");
    assert_eq!(few.chat(about(&[url.as_str(); 2])).status, 200);
    server.is_alive();
}

#[test]
fn pictures_that_are_none() {
    let server = Server::start(Options { max_pixels: 100_000, ..standard() });
    let of =
        |bytes: &[u8]| format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes));
    let small = std::fs::read(smolvlm_golden::folder().join("images/small.png")).unwrap();
    let mut bomb = small.clone();
    bomb[16..24].copy_from_slice(&[0, 0, 0xC3, 0x50, 0, 0, 0xC3, 0x50]);
    let mut empty = small.clone();
    empty[16..20].copy_from_slice(&[0; 4]);
    for url in [
        "data:image/png;base64,",
        "data:image/png;base64,!!!",
        "data:image/png;base64,aGVs bG8=",
        "data:image/png;base64,a",
        "data:image/png,abc",
        "data:",
        "data:image/png;base64,aGVsbG8_",
        &of(b"hello"),
        &of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        &of(b"%PDF-1.7"),
        &of(&small[..small.len() / 2]),
        &of(&bomb),
        &of(&empty),
        &format!("data:video/jpeg;base64,{}", "A".repeat(1000)),
    ] {
        let (param, code) = refused(&server, "/v1/chat/completions", &about(&[url]), 400);
        assert_eq!((param.as_str(), code.as_str()), ("messages", "invalid_image"), "{url:.60}");
    }
    for url in ["", "image.png", "ftp://a/b.png", "javascript:alert(1)"] {
        assert_eq!(refused(&server, "/v1/chat/completions", &about(&[url]), 400).1, "invalid_image", "{url}");
    }
    // Without the signs that fill base64 up, and of one pixel.
    let dot = picture("dot.png");
    assert_eq!(server.chat(about(&[dot.trim_end_matches('=')])).status, 200);
    server.is_alive();
}

#[test]
fn forms_that_cannot_be_read() {
    let server = Server::start(standard());
    let lark = |text: &str| json!({"type": "lark", "value": text});
    let regex = |text: &str| json!({"type": "regex", "value": text});
    let mut asked = hello(0);
    asked["max_tokens"] = json!(8);
    for (field, value) in [
        ("grammar", lark("start: start \"a\"")),
        ("grammar", lark("nonsense")),
        ("grammar", lark("start: missing")),
        ("grammar", lark("")),
        ("grammar", regex("(")),
        ("grammar", regex("a{1,10000000}")),
        ("grammar", regex("(a{1000}){1000}")),
        ("grammar", regex("((((a*)*)*)*)*")),
        ("grammar", regex(&"(a|b)*".repeat(20_000))),
        ("grammar", json!("root ::= root \"a\" | ((\"a\"*)*)*")),
        ("json_schema", json!({"$ref": "#"})),
        ("json_schema", json!({"$ref": "https://evil.example/schema.json"})),
        (
            "json_schema",
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ),
        ("json_schema", json!({"type": "string", "pattern": "("})),
        ("json_schema", json!({"type": "string", "minLength": 1_000_000_000})),
        ("json_schema", json!({"type": "no such"})),
        ("json_schema", json!({"type": "array", "minItems": 1_000_000_000, "maxItems": 0})),
    ] {
        let mut asked = asked.clone();
        asked[field] = value.clone();
        let start = Instant::now();
        let reply = server.chat(asked);
        assert!(start.elapsed() < Duration::from_secs(20), "{:.100}", value.to_string());
        // What can be followed is answered; what cannot is refused by name.
        assert!(matches!(reply.status, 200 | 400), "{:.100}: {} {}", value.to_string(), reply.status, reply.text());
        if reply.status == 400 && !reply.text().contains("on the way") {
            assert!(reply.error().0.starts_with(field), "{:.100}: {}", value.to_string(), reply.text());
        }
    }
    server.is_alive();
}

#[test]
fn a_panic_is_an_error_of_one_request() {
    let faulty = axum::routing::get(|| async {
        if std::hint::black_box(true) {
            panic!("a fault");
        }
    });
    let server = Server::start_with(standard(), |router| router.route("/faulty", faulty));
    let reply = server.get("/faulty");
    assert_eq!((reply.status, reply.error().1.as_str()), (500, "internal_error"));
    assert!(!reply.text().contains("a fault"));
    assert!(server.get("/metrics").text().contains("smolvlm_panics_total 1\n"));
    server.is_alive();
}
