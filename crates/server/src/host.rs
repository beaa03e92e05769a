//! By which name the server is called, and from which page: a browser that was tricked into asking this machine is refused.
//!
//! A page of another site may have its own name lead to 127.0.0.1 (DNS rebinding): then its requests carry that name as
//! `Host`. A page may also post without asking first: then its requests carry its own `Origin`.

use crate::error::{Error, Failure};
use crate::options::{Options, Place};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use std::net::IpAddr;

/// The names by which the server may be called, and the origins whose pages may ask.
pub(crate) struct Callers {
    /// None: any.
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
}

/// That names and origins of the options can be those of a request.
///
/// # Errors
/// The first that no request could ever bear.
pub(crate) fn check(options: &Options) -> Result<(), Error> {
    if let Some(origin) = options.cors_origin.iter().find(|origin| !is_origin(origin.trim())) {
        return Err(Error::Options(format!(
            "--cors-origin {origin:?} is no origin; a scheme and a host without a path, as https://app.example.org, or * \
             would be right"
        )));
    }
    let domains = options.allow_media_domain.iter().map(|name| ("--allow-media-domain", name, name.trim()));
    let domains = domains.map(|(flag, given, name)| (flag, given, name.strip_prefix("*.").unwrap_or(name)));
    let names = options.allowed_host.iter().map(|name| ("--allowed-host", name, name.trim()));
    match domains.chain(names).find(|(.., name)| !is_host(name)) {
        Some((flag, given, _)) => Err(Error::Options(format!(
            "{flag} {given:?} is no host; a name alone, as images.example.org, without scheme, port and path would be right"
        ))),
        None => Ok(()),
    }
}

/// Whether a browser may name a page's origin so; `*` is any.
fn is_origin(text: &str) -> bool {
    let rest = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, rest)| rest);
    let rest = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    text == "*" || rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']))
}

/// Whether it may be a host: an address or a name, of which a dot in front makes a domain.
fn is_host(text: &str) -> bool {
    let named = !text.is_empty() && !text.contains(['/', ':', '?', '#', '@', ' ', '*']);
    named || text.parse::<IpAddr>().is_ok()
}

/// The names of this machine for itself.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Callers {
    pub(crate) fn of(options: &Options) -> Callers {
        let lower =
            |names: &[String]| -> Vec<String> { names.iter().map(|name| name.trim().to_ascii_lowercase()).collect() };
        let given = lower(&options.allowed_host);
        let hosts = match options.place() {
            Place::Tcp(host, _) if is_local(&host) || !given.is_empty() => {
                let own = LOCAL.into_iter().chain([host.as_str()]).map(str::to_ascii_lowercase);
                Some(own.chain(given).collect())
            }
            Place::Unix(_) if !given.is_empty() => Some(LOCAL.map(str::to_owned).into_iter().chain(given).collect()),
            _ => None,
        };
        let origins = lower(&options.cors_origin).into_iter().map(|origin| origin.trim_end_matches('/').to_owned());
        Callers { hosts, origins: origins.collect() }
    }

    /// Whether a request may ask under the name that it uses.
    ///
    /// # Errors
    /// It uses none, or one that is not this server's; it is of a page of another site.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().map(|value| value.to_str().unwrap_or_default());
        if hosts.next().is_some() {
            return Err(Failure::bad("the request has several Host headers").code("bad_host"));
        }
        // A whole address in the request's first line goes before the header.
        let host = uri.authority().map(|authority| authority.as_str()).or(host);
        if let Some(allowed) = &self.hosts {
            let Some(host) = host else {
                return Err(Failure::bad("the request has no Host header").code("bad_host"));
            };
            if !allowed.iter().any(|name| name == &bare(host)) {
                let what = "the server is called by a name that is not its own; --allowed-host allows others";
                return Err(Failure::new(StatusCode::FORBIDDEN, what).code("host_not_allowed"));
            }
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.allows(origin, host) => {
                let what = "pages of other sites may not ask; --cors-origin allows them";
                Err(Failure::new(StatusCode::FORBIDDEN, what).code("origin_not_allowed"))
            }
            _ => Ok(()),
        }
    }

    /// Whether pages of an origin may ask: those of this server itself, and those of the options.
    fn allows(&self, origin: &HeaderValue, host: Option<&str>) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        let own = origin.split_once("://").map(|(_, authority)| authority);
        self.cors(origin).is_some() || host.is_some_and(|host| own.is_some_and(|own| own.eq_ignore_ascii_case(host)))
    }

    /// What `Access-Control-Allow-Origin` says to an origin, if it may ask.
    pub(crate) fn cors(&self, origin: &str) -> Option<HeaderValue> {
        if self.origins.iter().any(|known| known == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let known = self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
        known.then(|| HeaderValue::from_str(origin).ok()).flatten()
    }
}

/// Whether a host to listen on is this machine alone.
fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host without its port and the brackets of an address.
fn bare(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(options: &Options, host: Option<&str>, origin: Option<&str>) -> u16 {
        let mut headers = HeaderMap::new();
        host.map(|host| headers.insert(header::HOST, host.parse().unwrap()));
        origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
        let checked = Callers::of(options).check(&Uri::from_static("/v1/models"), &headers);
        checked.map_or_else(|failure| failure.status.as_u16(), |()| 200)
    }

    #[test]
    fn names_of_this_machine() {
        let local = Options::standard();
        for host in ["localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080", "LOCALHOST.", "[::1]"] {
            assert_eq!(status(&local, Some(host), None), 200, "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "0.0.0.0", "", "[::2]:8080"] {
            assert_eq!(status(&local, Some(host), None), 403, "{host}");
        }
        assert_eq!(status(&local, None, None), 400);
        let open = Options { host: "0.0.0.0".into(), ..local.clone() };
        assert_eq!(status(&open, Some("any.example"), None), 200);
        let named = Options { allowed_host: vec!["API.example".into()], ..open };
        assert_eq!(status(&named, Some("api.example:80"), None), 200);
        assert_eq!(status(&named, Some("other.example"), None), 403);
        let both = Options { allowed_host: vec!["api.example".into()], ..local };
        assert_eq!(status(&both, Some("api.example"), None), 200);
    }

    #[test]
    fn what_no_request_could_bear_is_refused() {
        let checked = |origin: &str, domain: &str, host: &str| {
            let list = |name: &str| if name.is_empty() { Vec::new() } else { vec![name.to_owned()] };
            let (cors_origin, allow_media_domain, allowed_host) = (list(origin), list(domain), list(host));
            check(&Options { cors_origin, allow_media_domain, allowed_host, ..Options::standard() })
        };
        for origin in
            ["*", "https://app.example", "http://localhost:3000/", " https://a.example ", "https://[::1]:3000"]
        {
            assert!(checked(origin, "", "").is_ok(), "{origin}");
        }
        for origin in ["app.example", "https://", "https://app.example/page", "://a", "localhost:3000"] {
            assert!(checked(origin, "", "").unwrap_err().to_string().contains("--cors-origin"), "{origin}");
        }
        for host in ["images.example", ".example", "*.example", "192.0.2.1", "2001:db8::1", " a.example"] {
            assert!(checked("", host, "").is_ok(), "{host}");
        }
        for host in ["https://images.example", "images.example/", "images.example:443", " ", "*"] {
            assert!(checked("", host, "").unwrap_err().to_string().contains("--allow-media-domain"), "{host}");
            assert!(checked("", "", host).unwrap_err().to_string().contains("--allowed-host"), "{host}");
        }
    }

    #[test]
    fn pages_of_this_server_alone() {
        let local = Options::standard();
        assert_eq!(status(&local, Some("localhost:8080"), Some("http://localhost:8080")), 200);
        assert_eq!(status(&local, Some("localhost:8080"), Some("http://localhost:9")), 403);
        assert_eq!(status(&local, Some("localhost:8080"), Some("https://evil.example")), 403);
        assert_eq!(status(&local, Some("localhost:8080"), Some("null")), 403);
        let one = Options { cors_origin: vec!["https://app.example/".into()], ..local.clone() };
        assert_eq!(status(&one, Some("localhost"), Some("https://app.example")), 200);
        assert_eq!(status(&one, Some("localhost"), Some("https://app.example.evil")), 403);
        let any = Options { cors_origin: vec!["*".into()], ..local };
        assert_eq!(status(&any, Some("localhost"), Some("https://a.example")), 200);
        assert_eq!(Callers::of(&any).cors("x").unwrap(), "*");
        assert_eq!(Callers::of(&one).cors("https://app.example").unwrap(), "https://app.example");
        assert!(Callers::of(&one).cors("https://b.example").is_none());
    }
}
