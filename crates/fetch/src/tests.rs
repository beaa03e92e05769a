//! Against a server on loopback that does what a server should not.

use super::*;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that gives each request's path to `answer`; where it listens.
fn server(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                let mut byte = [0];
                while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    asked.push(byte[0]);
                }
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
                let _ = answer(&path, &mut stream); // who asked may have left
            });
        }
    });
    address
}

/// An answer with a body.
fn ok(stream: &mut TcpStream, headers: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)
}

fn redirect(stream: &mut TcpStream, location: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n")
}

/// What is allowed in tests: this machine, little, and not for long.
fn near() -> Limits {
    Limits { bytes: 1000, time: Duration::from_secs(2), redirects: 3, private: true, hosts: None }
}

#[test]
fn a_file_comes() {
    let address = server(|path, stream| match path {
        "/length?a=b" => ok(stream, "Content-Length: 5\r\n", b"hello"),
        "/whole" => ok(stream, "Content-Length: 1000\r\n", &[7; 1000]),
        "/chunks" => ok(stream, "Transfer-Encoding: chunked\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        _ => ok(stream, "", b"until the end"),
    });
    let get = |path: &str| fetch(&format!("http://{address}{path}"), &near());
    assert_eq!(get("/length?a=b#c").unwrap(), b"hello");
    assert_eq!(get("/chunks").unwrap(), b"hello");
    assert_eq!(get("").unwrap(), b"until the end");
    assert_eq!(get("/whole").unwrap().len(), 1000);
}

#[test]
fn private_addresses_are_refused() {
    let address = server(|_, stream| ok(stream, "", b"secret"));
    let limits = Limits { private: false, ..near() };
    for host in [address.to_string(), format!("localhost:{}", address.port()), "[::1]:1".into(), "10.0.0.1".into()] {
        let refusal = fetch(&format!("http://{host}/"), &limits);
        assert!(matches!(refusal, Err(Error::Private { .. })), "{host}: {refusal:?}");
    }
    // One private address among public ones is enough.
    let both: LookUp =
        Arc::new(|_, port| Ok(["1.1.1.1", "192.168.0.1"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).into()));
    assert!(matches!(fetch_by("http://example.org/", &limits, &both), Err(Error::Private { .. })));
}

#[test]
fn a_name_is_looked_up_once() {
    let address = server(|_, stream| ok(stream, "", b"first"));
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    // A second look-up would lead elsewhere, where nobody listens.
    let changing: LookUp = Arc::new(move |_, port| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![SocketAddr::new(if first { address.ip() } else { [127, 9, 9, 9].into() }, port)])
    });
    let url = format!("http://changing.example:{}/", address.port());
    assert_eq!(fetch_by(&url, &near(), &changing).unwrap(), b"first");
    assert_eq!(times.load(Ordering::SeqCst), 1);
}

#[test]
fn redirects_are_checked_and_counted() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let address = server(move |path, stream| {
        noted.lock().unwrap().push(path.to_owned());
        match path {
            "/end" => ok(stream, "", b"here"),
            "/1" => redirect(stream, "/end"),
            "/2" => redirect(stream, "/1"),
            "/3" => redirect(stream, "/2"),
            "/4" => redirect(stream, "/3"),
            "/file" => redirect(stream, "file:///etc/passwd"),
            "/user" => redirect(stream, "http://a:b@example.org/"),
            "/odd" => redirect(stream, "http://2130706433/"),
            "/nowhere" => write!(stream, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
            _ => redirect(stream, "/loop"),
        }
    });
    let get = |path: &str| fetch(&format!("http://{address}{path}"), &near());
    assert_eq!(get("/3").unwrap(), b"here");
    assert_eq!(get("/4"), Err(Error::Redirects { most: 3 }));
    assert_eq!(get("/loop"), Err(Error::Redirects { most: 3 }));
    for path in ["/file", "/user", "/odd"] {
        assert!(matches!(get(path), Err(Error::Url { .. })), "{path}");
    }
    assert!(matches!(get("/nowhere"), Err(Error::Status { status: 302, .. })));
    // From a public host (which the look-up says this is not, so that it can be asked) to a private one.
    asked.lock().unwrap().clear();
    let public: LookUp = Arc::new(move |host, port| {
        let ip = if host == "public.example" { "1.1.1.1" } else { "127.0.0.1" };
        Ok(vec![SocketAddr::new(ip.parse().unwrap(), port)])
    });
    let target = Target::parse("http://public.example/").unwrap().join("http://private.example/").unwrap();
    let limits = Limits { private: false, ..near() };
    let refusal = addresses(&target, &limits, Instant::now() + limits.time, &public);
    assert!(matches!(refusal, Err(Error::Private { host }) if host == "private.example"));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn hosts_that_may_be_asked() {
    let of = |hosts: &[&str]| Limits { hosts: Some(hosts.iter().map(|host| host.to_string()).collect()), ..near() };
    let limits = of(&["a.example", ".B.example", "*.c.example"]);
    for host in ["a.example", "a.example.", "x.b.example", "x.y.c.example"] {
        assert!(limits.allows(host), "{host}");
    }
    for host in ["x.a.example", "b.example", "ab.example", "evil-b.example", "a.example.evil", "c.example", ""] {
        assert!(!limits.allows(host), "{host}");
    }
    // A redirect may not leave them.
    let address = server(|_, stream| redirect(stream, "http://elsewhere.example/"));
    let limits = of(&["127.0.0.1"]);
    let refusal = fetch(&format!("http://{address}/"), &limits);
    assert_eq!(refusal, Err(Error::Host { host: "elsewhere.example".into() }));
    assert!(matches!(fetch("http://10.0.0.1/", &limits), Err(Error::Host { .. })));
    assert!(!of(&[]).allows("a"));
}

#[test]
fn what_has_no_end_is_broken_off() {
    let address = server(|path, stream| match path {
        "/announced" => ok(stream, "Content-Length: 1001\r\n", &[0; 1001]),
        "/endless" => {
            ok(stream, "", b"")?;
            loop {
                stream.write_all(&[0; 4096])?;
            }
        }
        "/chunks" => {
            ok(stream, "Transfer-Encoding: chunked\r\n", b"")?;
            loop {
                stream.write_all(b"3e8\r\n")?;
                stream.write_all(&[0; 1000])?;
                stream.write_all(b"\r\n")?;
            }
        }
        "/headers" => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(stream, "X-More: and more and more\r\n")?;
            }
        }
        "/slow" => {
            ok(stream, "Content-Length: 900\r\n", b"")?;
            for _ in 0..900 {
                stream.write_all(b"a")?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        _ => {
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
    });
    let get = |path: &str| fetch(&format!("http://{address}{path}"), &near());
    for path in ["/announced", "/endless", "/chunks"] {
        assert!(matches!(get(path), Err(Error::Size { most: 1000, .. })), "{path}");
    }
    assert!(get("/headers").is_err());
    for path in ["/slow", "/silent"] {
        let start = Instant::now();
        let refusal = get(path);
        assert!(matches!(refusal, Err(Error::Time { seconds: 2, .. })), "{path}: {refusal:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{path}");
    }
    let silent: LookUp = Arc::new(|_, _| {
        std::thread::sleep(Duration::from_secs(20));
        Ok(Vec::new())
    });
    assert!(matches!(fetch_by("http://silent.example/", &near(), &silent), Err(Error::Time { .. })));
}

#[test]
fn other_answers_are_no_files() {
    let address = server(|path, stream| match path {
        "/gzip" => ok(stream, "Content-Encoding: gzip\r\nContent-Length: 3\r\n", b"\x1f\x8b\x08"),
        "/identity" => ok(stream, "Content-Encoding: identity\r\nContent-Length: 3\r\n", b"abc"),
        "/short" => ok(stream, "Content-Length: 100\r\n", b"abc"),
        "/garbage" => stream.write_all(b"garbage\r\n\r\n"),
        _ => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    });
    let get = |path: &str| fetch(&format!("http://{address}{path}"), &near());
    assert!(matches!(get("/gzip"), Err(Error::Encoding { encoding, .. }) if encoding == "gzip"));
    assert_eq!(get("/identity").unwrap(), b"abc");
    assert!(matches!(get("/short"), Err(Error::Network { .. })));
    assert!(matches!(get("/garbage"), Err(Error::Network { .. })));
    assert!(matches!(get("/missing"), Err(Error::Status { status: 404, .. })));
    // Nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(fetch(&format!("http://{nobody}/"), &near()), Err(Error::Network { .. })));
}
