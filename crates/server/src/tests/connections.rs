//! Connections that misbehave, many of them, and the end.

use super::*;

/// A request for an answer that takes a while.
fn long_stream() -> Vec<u8> {
    let mut long = hello(8000);
    long["stream"] = json!(true);
    asked("POST", "/v1/chat/completions", JSON, long.to_string().as_bytes())
}

fn long_whole() -> Vec<u8> {
    asked("POST", "/v1/chat/completions", JSON, hello(8000).to_string().as_bytes())
}

#[test]
fn a_client_that_leaves_lets_its_question_go() {
    let server = Server::start(standard());
    for (number, request) in [(1, long_stream()), (2, long_whole())] {
        let mut stream = server.connect();
        stream.write_all(&request).unwrap();
        if number == 1 {
            let mut some = [0; 2000];
            stream.read_exact(&mut some).unwrap();
        } else {
            server.until("it runs", |app| app.service.counts().running > 0);
        }
        drop(stream);
        server.until("it is let go", |app| {
            let counts = app.service.counts();
            counts.cancelled == number && counts.running == 0
        });
    }
    server.is_alive();
}

#[test]
fn slow_heads_and_bodies_are_cut() {
    let server = Server::start(Options { header_timeout: 1, read_timeout: 1, ..standard() });
    let start = Instant::now();
    let mut slow = server.connect();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: loc").unwrap();
    let mut silent = server.connect();
    let mut body = server.connect();
    body.write_all(
        b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    )
    .unwrap();
    server.is_alive();
    let mut all = Vec::new();
    _ = slow.read_to_end(&mut all);
    _ = silent.read_to_end(&mut Vec::new());
    let mut head = [0; 12];
    body.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
    assert!(start.elapsed() < Duration::from_secs(20));
    // One that has asked and says no more is closed too.
    let mut idle = server.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut all = Vec::new();
    idle.read_to_end(&mut all).unwrap();
    assert_eq!(Reply::of(&all).status, 200);
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    let server = Server::start(Options { write_timeout: 1, ..standard() });
    let mut long = hello(8000);
    // Log-probabilities make an answer of some megabytes, more than what lies between the two holds.
    for (field, value) in [
        ("stream", json!(true)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(20)),
        ("n", json!(4)),
        ("temperature", json!(1)),
    ] {
        long[field] = value;
    }
    let mut stream = server.connect();
    stream.write_all(&asked("POST", "/v1/chat/completions", JSON, long.to_string().as_bytes())).unwrap();
    server.until("it is cut", |app| {
        let counts = app.service.counts();
        app.metrics.connections.load(std::sync::atomic::Ordering::Relaxed) == 0
            && counts.running == 0
            && counts.cancelled + counts.answered == 1
    });
    server.is_alive();
}

#[test]
fn a_connection_asks_again_and_again() {
    let server = Server::start(standard());
    let mut stream = server.connect();
    let one = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(one.repeat(3).as_bytes()).unwrap();
    stream.write_all(&asked("GET", "/health", "", b"")).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200").count(), 4);
}

#[test]
fn too_many_connections_are_turned_away() {
    let server = Server::start(Options { max_connections: 2, header_timeout: 3, ..standard() });
    let mut held: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut held {
        stream.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    }
    server.until("both are there", |app| app.metrics.connections.load(std::sync::atomic::Ordering::Relaxed) == 2);
    let reply = server.get("/health");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.error().1, "too_many_connections");
    drop(held);
    server.until("they are gone", |app| app.metrics.connections.load(std::sync::atomic::Ordering::Relaxed) == 0);
    server.is_alive();
}

#[test]
fn a_full_queue_asks_to_come_again() {
    let server = Server::start(Options { parallel: 1, queue: 1, ..standard() });
    let mut held = Vec::new();
    for waiting in [(1, 0), (1, 1)] {
        let mut stream = server.connect();
        stream.write_all(&long_stream()).unwrap();
        held.push(stream);
        server.until("it is taken", |app| {
            let counts = app.service.counts();
            (counts.running, counts.waiting) == waiting
        });
    }
    let reply = server.chat(hello(1));
    assert_eq!((reply.status, reply.header("retry-after"), reply.error().1.as_str()), (503, Some("1"), "overloaded"));
    drop(held);
    server.until("all are let go", |app| app.service.counts().cancelled == 2);
    server.is_alive();
}

#[test]
fn many_at_once_are_answered_alike() {
    // As many sockets as a process usually may have: both ends are of this one.
    const AT_ONCE: usize = 400;
    let server = Server::start(Options { queue: 1000, ..standard() });
    let want = server.chat(hello(8)).json()["choices"].clone();
    std::thread::scope(|scope| {
        let again = || (0..3).map(|_| server.chat(hello(8)).json()["choices"].clone()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(again)).collect();
        for thread in threads {
            assert!(thread.join().unwrap().iter().all(|choices| *choices == want));
        }
    });
}

#[test]
fn answers_under_way_end_when_the_server_stops() {
    let server = Server::start(Options { drain_timeout: 600, ..standard() });
    let mut stream = server.connect();
    stream.write_all(&long_stream()).unwrap();
    server.until("it runs", |app| app.service.counts().running > 0);
    server.stop.send(true).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert!(Reply::of(&all).text().ends_with("data: [DONE]\n\n"));
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn pictures_under_way_are_seen_when_the_server_stops() {
    let server = Server::start(Options { drain_timeout: 600, picture_cache: 0, prefix_cache: 0, ..standard() });
    let urls = vec![picture("square.png"); 12];
    let body = about(&urls.iter().map(String::as_str).collect::<Vec<_>>()).to_string();
    let mut stream = server.connect();
    stream.write_all(&asked("POST", "/v1/chat/completions", JSON, body.as_bytes())).unwrap();
    server.until("it runs", |app| app.service.counts().running > 0);
    server.stop.send(true).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let reply = Reply::of(&all);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json()["usage"]["completion_tokens"].as_u64() > Some(0));
}

#[test]
fn when_the_time_is_up_answers_are_broken_off() {
    let server = Server::start(Options { drain_timeout: 0, ..standard() });
    let mut stream = server.connect();
    stream.write_all(&long_stream()).unwrap();
    let mut all = vec![0; 2000];
    stream.read_exact(&mut all).unwrap();
    let start = Instant::now();
    let app = Arc::clone(&server.app);
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(10));
    stream.read_to_end(&mut all).unwrap();
    // What it had is followed by an event that says why there is no more.
    let events = Reply::of(&all).events();
    assert!(events.len() > 1, "{events:?}");
    assert_eq!(events.last().unwrap()["error"]["code"], "stopping");
    assert!(app.check_running().is_err());
}

#[cfg(unix)]
#[test]
fn over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    // One that a server left behind is replaced; another file is not.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = Server::start(Options { host: path.to_str().unwrap().into(), ..standard() });
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(&asked("GET", "/health", "", b"")).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert_eq!(Reply::of(&all).status, 200);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bind = |path: &std::path::Path| {
        runtime.block_on(Listener::of(&Options { unix: Some(path.into()), ..standard() })).is_ok()
    };
    assert!(!bind(&path), "another listens there");
    drop(server);
    assert!(!path.exists());
    std::fs::write(dir.path().join("file"), "mine").unwrap();
    assert!(!bind(&dir.path().join("file")));
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"mine");
}
