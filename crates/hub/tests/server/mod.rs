//! A hub on loopback: the list of a model's files, small files by themselves, large ones by way of another host.

#![allow(clippy::unwrap_used)] // a test's server: what fails here fails the test

use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const REPO: &str = "org/tiny";

/// What the server does besides answering rightly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Bytes after which each of the next answers with a file breaks off; none: it does not.
    pub(crate) cuts: Vec<usize>,
    /// Statuses and headers that the next answers have instead.
    pub(crate) refusals: Vec<(u16, &'static str)>,
    /// A byte of the next answers with a file is wrong.
    pub(crate) flips: usize,
    /// Ranges are not honoured.
    pub(crate) no_ranges: bool,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
    /// Whether it was asked of the other host.
    pub(crate) cdn: bool,
}

pub(crate) struct Hub {
    pub(crate) endpoint: String,
    pub(crate) faults: Arc<Mutex<Faults>>,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Served {
    files: Arc<BTreeMap<String, Vec<u8>>>,
    cdn: u16,
    faults: Arc<Mutex<Faults>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Files of at least so many bytes are large.
pub(crate) const LARGE: usize = 1000;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn git_hash(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

impl Hub {
    pub(crate) fn serve(files: &[(&str, Vec<u8>)]) -> Hub {
        let files = files.iter().map(|(name, bytes)| (name.to_string(), bytes.clone())).collect();
        let [hub, cdn] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let (faults, asked) = (Arc::default(), Arc::default());
        let served = Served { files: Arc::new(files), cdn: port(&cdn), faults, asked };
        let (faults, asked) = (served.faults.clone(), served.asked.clone());
        let endpoint = format!("http://127.0.0.1:{}", port(&hub));
        for (listener, is_cdn) in [(hub, false), (cdn, true)] {
            let served = served.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let served = served.clone();
                    thread::spawn(move || served.answer(stream, is_cdn));
                }
            });
        }
        Hub { endpoint, faults, asked }
    }
}

impl Served {
    /// One question on a connection of its own.
    fn answer(&self, mut stream: TcpStream, cdn: bool) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ")?;
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let range = headers.get("range").cloned();
        let asked = Asked { path: path.clone(), range: range.clone(), token: headers.remove("authorization"), cdn };
        self.asked.lock().unwrap().push(asked);
        let refusal = { self.faults.lock().unwrap().refusals.pop() };
        if let Some((status, header)) = refusal {
            return head(&mut stream, status, header, 0);
        }
        if path.starts_with("/api/models/") || path.starts_with("/api/datasets/") {
            let list = self.list();
            head(&mut stream, 200, "", list.len())?;
            return stream.write_all(list.as_bytes()).ok();
        }
        let resolved = path.split_once(&format!("/resolve/{COMMIT}/")).or_else(|| path.split_once("/blob/"));
        let (_, name) = resolved?;
        let bytes = self.files.get(name)?;
        if !cdn && bytes.len() >= LARGE {
            let location = format!("Location: http://127.0.0.1:{}/blob/{name}", self.cdn);
            return head(&mut stream, 302, &location, 0);
        }
        self.file(&mut stream, bytes, range.as_deref())
    }

    fn file(&self, stream: &mut TcpStream, bytes: &[u8], range: Option<&str>) -> Option<()> {
        let (cut, flip, no_ranges) = {
            let mut faults = self.faults.lock().unwrap();
            let flip = faults.flips > 0;
            faults.flips = faults.flips.saturating_sub(1);
            (faults.cuts.pop(), flip, faults.no_ranges)
        };
        let start: usize =
            range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()).unwrap_or(0);
        let start = if no_ranges { 0 } else { start };
        let mut sent = bytes.get(start..)?.to_vec();
        if let Some(first) = sent.first_mut().filter(|_| flip) {
            *first ^= 1;
        }
        head(stream, if start > 0 { 206 } else { 200 }, "", sent.len())?;
        sent.truncate(cut.unwrap_or(usize::MAX));
        stream.write_all(&sent).ok()
    }

    fn list(&self) -> String {
        let sibling = |(name, bytes): (&String, &Vec<u8>)| {
            let (size, git) = (bytes.len(), git_hash(bytes));
            let lfs = (size >= LARGE)
                .then(|| format!(r#","lfs":{{"sha256":"{}","size":{size}}}"#, hex(&Sha256::digest(bytes))));
            format!(r#"{{"rfilename":"{name}","size":{size},"blobId":"{git}"{}}}"#, lfs.unwrap_or_default())
        };
        let files: Vec<String> = self.files.iter().map(sibling).collect();
        format!(r#"{{"sha":"{COMMIT}","siblings":[{}]}}"#, files.join(","))
    }
}

fn head(stream: &mut TcpStream, status: u16, header: &str, length: usize) -> Option<()> {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let text = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(text.as_bytes()).ok()
}
