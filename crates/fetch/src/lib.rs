//! A file of the web, fetched with a guard: `http` and `https` alone, of public addresses, within bounds.
//!
//! An address that somebody else typed may not lead into the network that this program stands in. So a name is looked up
//! once, every address of it is checked, and the connection is made to just those; where a redirect leads is checked in the
//! same way. Proxies are not used, since they would look the name up anew.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod address;
mod error;
mod target;

pub use error::Error;

use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use target::Target;
use ureq::http::{Response, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, config::Config};

/// What a fetch may do and cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a file.
    pub bytes: u64,
    /// The most time in all, redirects included.
    pub time: Duration,
    /// The most redirects.
    pub redirects: usize,
    /// Whether addresses of private networks and of this machine are allowed.
    pub private: bool,
    /// The hosts that may be asked, redirects included: names, or a domain with a dot in front for all of its hosts.
    /// `None` is any.
    pub hosts: Option<Vec<String>>,
}

impl Default for Limits {
    /// 64 MiB, 30 seconds, 3 redirects, public addresses alone, any host.
    fn default() -> Limits {
        Limits { bytes: 64 << 20, time: Duration::from_secs(30), redirects: 3, private: false, hosts: None }
    }
}

impl Limits {
    /// Whether a host may be asked.
    fn allows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        let is = |allowed: &String| match allowed.strip_prefix("*.").or(allowed.strip_prefix('.')) {
            Some(domain) => host.strip_suffix(&domain.to_ascii_lowercase()).is_some_and(|front| front.ends_with('.')),
            None => host.eq_ignore_ascii_case(allowed),
        };
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(is))
    }
}

/// Looks a host's addresses up.
type LookUp = Arc<dyn Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The bytes behind a URL.
///
/// # Errors
/// The URL is not allowed or leads to what is not; the host does not answer, answers otherwise than with a file, or the file
/// is too large or takes too long.
pub fn fetch(url: &str, limits: &Limits) -> Result<Vec<u8>, Error> {
    fetch_by(url, limits, &(Arc::new(|host: &str, port| Ok((host, port).to_socket_addrs()?.collect())) as LookUp))
}

fn fetch_by(url: &str, limits: &Limits, look_up: &LookUp) -> Result<Vec<u8>, Error> {
    let end = Instant::now() + limits.time;
    let mut target = Target::parse(url)?;
    for _ in 0..=limits.redirects {
        if !limits.allows(&target.host) {
            return Err(Error::Host { host: target.host });
        }
        let addresses = addresses(&target, limits, end, look_up)?;
        let response = get(&target, addresses, limits, end)?;
        let status = response.status();
        if status.is_success() {
            return body(response, &target, limits);
        }
        let location = response.headers().get("Location").and_then(|value| value.to_str().ok());
        match location.filter(|_| status.is_redirection()) {
            Some(location) => target = target.join(location)?,
            None => return Err(Error::Status { host: target.host, status: status.as_u16() }),
        }
    }
    Err(Error::Redirects { most: limits.redirects })
}

/// The addresses of a host, if all of them may be asked.
fn addresses(target: &Target, limits: &Limits, end: Instant, look_up: &LookUp) -> Result<Vec<SocketAddr>, Error> {
    let (send, receive) = mpsc::channel();
    let (look_up, host, port) = (Arc::clone(look_up), target.host.clone(), target.port);
    // A look-up cannot be broken off: it is left to itself.
    std::thread::spawn(move || send.send(look_up(&host, port)));
    let left = end.saturating_duration_since(Instant::now());
    let slow = || Error::Time { host: target.host.clone(), seconds: limits.time.as_secs() };
    let found = receive.recv_timeout(left).map_err(|_| slow())?;
    let found = found.map_err(|source| Error::Network { host: target.host.clone(), what: source.to_string() })?;
    if found.is_empty() {
        return Err(Error::Network { host: target.host.clone(), what: "it has no address".into() });
    }
    if !limits.private && found.iter().any(|address| !address::is_public(address.ip())) {
        return Err(Error::Private { host: target.host.clone() });
    }
    Ok(found)
}

/// A resolver that knows one host, which was looked up before.
#[derive(Debug)]
struct Pinned(Vec<SocketAddr>);

impl Resolver for Pinned {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        self.0.iter().take(16).for_each(|&address| addresses.push(address));
        Ok(addresses)
    }
}

fn get(target: &Target, addresses: Vec<SocketAddr>, limits: &Limits, end: Instant) -> Result<Response<Body>, Error> {
    let config = Agent::config_builder()
        .user_agent(concat!("smolvlm/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(end.saturating_duration_since(Instant::now())))
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), Pinned(addresses));
    agent.get(target.url.clone()).call().map_err(|error| failure(&error, target, limits))
}

/// The bytes of an answer, as many as are allowed.
fn body(response: Response<Body>, target: &Target, limits: &Limits) -> Result<Vec<u8>, Error> {
    let host = || target.host.clone();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(encoding) = header("Content-Encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Error::Encoding { host: host(), encoding: encoding.chars().take(40).collect() });
    }
    let too_large = || Error::Size { host: host(), most: limits.bytes };
    if header("Content-Length").and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > limits.bytes)
    {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(limits.bytes.saturating_add(1));
    if let Err(error) = reader.read_to_end(&mut bytes) {
        return Err(failure(&ureq::Error::from(error), target, limits));
    }
    if bytes.len() as u64 > limits.bytes { Err(too_large()) } else { Ok(bytes) }
}

fn failure(error: &ureq::Error, target: &Target, limits: &Limits) -> Error {
    let host = target.host.clone();
    match error {
        ureq::Error::Timeout(_) => Error::Time { host, seconds: limits.time.as_secs() },
        ureq::Error::Io(error) => Error::Network { host, what: error.to_string() },
        error => Error::Network { host, what: error.to_string() },
    }
}

#[cfg(test)]
mod tests;
