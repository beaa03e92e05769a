//! What a URL names: a host, a port and a path, of the two schemes that are fetched.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Error;
use ureq::http::Uri;

/// A URL that may be fetched, as far as it tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: Uri,
    /// A name, or an address in its usual notation.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// More bytes than a URL has.
const LONGEST: usize = 8 << 10;

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Target, Error> {
        let wrong = |reason| Error::Url { url: text.chars().take(80).collect(), reason };
        if text.len() > LONGEST {
            return Err(wrong("is too long for a URL"));
        }
        // What stands behind # is for who shows the page.
        let (text, _) = text.split_once('#').unwrap_or((text, ""));
        let url: Uri = text.parse().map_err(|_| wrong("is no URL; https://host/picture.png would be right"))?;
        let port = match url.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(wrong("is neither http nor https, which alone are fetched")),
        };
        let authority = url.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            // The message does not repeat a password.
            let url = format!("{}://...@{}", url.scheme_str().unwrap_or_default(), authority.host());
            let reason = "has a user's name in it, which is not sent; leave out what stands before the @";
            return Err(Error::Url { url, reason });
        }
        let host = authority.host().to_ascii_lowercase();
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, given)) if !given.ends_with(']') => given.parse().map_err(|_| wrong("has a port that is none"))?,
            _ => port,
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().map_err(|_| wrong("has a host that is no address"))?.to_string(),
            None if is_odd(&host) => {
                return Err(wrong("has a host in an odd notation of addresses; 192.0.2.1 is the usual"));
            }
            None => host,
        };
        Ok(Target { url, host, port })
    }

    /// Where a redirect leads: a whole URL, or a path on the same host.
    pub(crate) fn join(&self, location: &str) -> Result<Target, Error> {
        if location.starts_with('/') && !location.starts_with("//") {
            let (scheme, authority) = (self.url.scheme_str().unwrap_or_default(), self.url.authority());
            let authority = authority.map_or("", |authority| authority.as_str());
            return Target::parse(&format!("{scheme}://{authority}{location}"));
        }
        Target::parse(location)
    }
}

/// Whether a host would be read as an address by some programs, though it is not written as one: `2130706433`, `0x7f.1`,
/// `0177.0.0.1`.
fn is_odd(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let number = last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    (number && host.parse::<Ipv4Addr>().is_err()) || host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_urls_name() {
        let named = |url: &str| Target::parse(url).map(|target| (target.host, target.port));
        assert_eq!(named("https://Example.org/a.png?b#c").unwrap(), ("example.org".into(), 443));
        assert_eq!(named("http://example.org:8080").unwrap(), ("example.org".into(), 8080));
        assert_eq!(named("http://[::1]:81/").unwrap(), ("::1".into(), 81));
        assert_eq!(named("http://[2606:4700::1111]/").unwrap(), ("2606:4700::1111".into(), 80));
        assert_eq!(named("http://10.0.0.1/").unwrap(), ("10.0.0.1".into(), 80));
        for wrong in [
            "ftp://a/b",
            "file:///etc/passwd",
            "gopher://a",
            "example.org/a.png",
            "http://",
            "http:///a",
            "javascript:1",
            "http://user@a/",
            "http://user:pass@a/",
            "http://a@127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://127.0.0.1./",
            "http://1.2.3.4.5/",
            "http://256.0.0.1/",
            "http://a:99999/",
            "http://a:b/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://a b/",
            "",
        ] {
            assert!(matches!(named(wrong), Err(Error::Url { .. })), "{wrong}");
        }
        assert!(matches!(named(&format!("http://a/{}", "b".repeat(9000))), Err(Error::Url { .. })));
    }

    #[test]
    fn where_redirects_lead() {
        let from = Target::parse("https://a:8/b?c").unwrap();
        assert_eq!(from.join("/d?e").unwrap(), Target::parse("https://a:8/d?e").unwrap());
        assert_eq!(from.join("http://b/").unwrap().host, "b");
        for wrong in ["//b/c", "file:///etc/passwd", "d", ""] {
            assert!(from.join(wrong).is_err(), "{wrong}");
        }
    }
}
