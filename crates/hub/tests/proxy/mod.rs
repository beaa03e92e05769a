//! A proxy on loopback: it connects to where it is asked to and passes bytes on, or refuses.

#![allow(clippy::unwrap_used)] // a test's server: what fails here fails the test

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Proxy {
    /// Host and port.
    pub(crate) address: String,
    /// The first lines of what was asked, with who asked behind them.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Serves; where `refusal` is a status, it is the answer to everything.
    pub(crate) fn serve(refusal: Option<&'static str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let proxy = Proxy { address, asked: asked.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = asked.clone();
                thread::spawn(move || answer(stream, &asked, refusal));
            }
        });
        proxy
    }

    /// What was asked so far; from here on it is counted anew.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<Vec<String>>, refusal: Option<&str>) -> Option<()> {
    // Nothing comes behind the headers until they are answered.
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let who = headers.iter().find_map(|line| line.strip_prefix("Proxy-Authorization: ")).unwrap_or_default();
    asked.lock().unwrap().push(format!("{first} {who}").trim_end().to_owned());
    if let Some(status) = refusal {
        return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok();
    }
    let there = TcpStream::connect(first.strip_prefix("CONNECT ")?.split(' ').next()?).ok()?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut back, mut to) = (there.try_clone().ok()?, stream.try_clone().ok()?);
    thread::spawn(move || {
        let _ = io::copy(&mut back, &mut to);
        to.shutdown(std::net::Shutdown::Both)
    });
    let mut there = there;
    let _ = io::copy(&mut stream, &mut there);
    there.shutdown(std::net::Shutdown::Write).ok()
}
