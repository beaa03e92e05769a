//! Which proxy is asked: what the environment says, as curl and `huggingface_hub` read it.

use crate::Error;
use ureq::{Proxy, ProxyProtocol};

/// The proxy for addresses of a scheme: that of `https_proxy` or `http_proxy`, else of `all_proxy`; `no_proxy` lists hosts and
/// domains that are asked without one. Each name is looked for in small letters first.
///
/// # Errors
/// What is named is none that can be used: it is not passed by, since who names one may have reasons.
pub(crate) fn of(scheme: &str, get: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, Error> {
    let set = |name: String| Some((get(&name).filter(|value| !value.trim().is_empty())?, name));
    let either = |name: &str| set(name.to_lowercase()).or_else(|| set(name.to_uppercase()));
    let Some((url, name)) = either(&format!("{scheme}_proxy")).or_else(|| either("all_proxy")) else { return Ok(None) };
    // Who asks, and the password, are not for messages.
    let shown = url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host);
    let none = || Error::Proxy { name: name.clone(), url: shown.to_owned() };
    let given = Proxy::new(url.trim()).map_err(|_| none())?;
    let protocol = given.protocol();
    if !matches!(protocol, ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(none());
    }
    let mut proxy = Proxy::builder(protocol).host(given.host()).port(given.port());
    if let Some(user) = given.username() {
        proxy = proxy.username(user);
    }
    if let Some(password) = given.password() {
        proxy = proxy.password(password);
    }
    let (without, _) = either("no_proxy").unwrap_or_default();
    for host in without.split(',').map(str::trim).filter(|host| !host.is_empty()) {
        proxy = proxy.no_proxy(host);
        // A domain is its hosts' too, with a dot in front or without.
        if !host.starts_with(['.', '*']) {
            proxy = proxy.no_proxy(&format!(".{host}"));
        }
    }
    proxy.build().map(Some).map_err(|_| none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host and port of the proxy for an address, if there is one.
    fn proxy(url: &str, set: &[(&str, &str)]) -> Option<String> {
        let get = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        let proxy = of(url.split(':').next().unwrap(), get).unwrap()?;
        (!proxy.is_no_proxy(&url.parse().unwrap())).then(|| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn the_scheme_decides_and_all_is_the_last() {
        let all = ("ALL_PROXY", "all:1");
        let set = [all, ("HTTPS_PROXY", "http://safe:2"), ("HTTP_PROXY", "upper:3"), ("http_proxy", "lower:4")];
        assert_eq!(proxy("https://hub/a", &set).as_deref(), Some("safe:2"));
        assert_eq!(proxy("http://hub/a", &set).as_deref(), Some("lower:4"));
        assert_eq!(proxy("http://hub/a", &[all]).as_deref(), Some("all:1"));
        assert_eq!(proxy("https://hub/a", &[("HTTP_PROXY", "upper:3"), ("https_proxy", " ")]), None);
    }

    #[test]
    fn hosts_without_a_proxy_are_those_of_a_domain_too() {
        let set = |without| [("https_proxy", "p:1"), ("NO_PROXY", without)];
        for without in ["hub.example", "a.b, .hub.example", "*.hub.example", "example", "*"] {
            assert_eq!(proxy("https://cdn.hub.example/a", &set(without)), None, "{without}");
        }
        for without in ["", "hub.exampl", "dn.hub.example", "xample", "cdn.hub.example.org"] {
            assert!(proxy("https://cdn.hub.example/a", &set(without)).is_some(), "{without}");
        }
    }
}
