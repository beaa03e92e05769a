//! What stands between this program and a hub: proxies, TLS, and other processes that fetch the same. Each pull is a process
//! of its own, since proxies are named by the environment.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests: what fails there fails the test

mod proxy;
mod server;
mod tls;

use proxy::Proxy;
use server::{COMMIT, Hub, LARGE, REPO};
use smolvlm_hub::{Repo, Settings, pull};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

/// What the pull's process says before what came of it.
const SAYS: &str = "the pull: ";
/// What tells it that it is one.
const ASKED: &str = "PULL_OF_A_TEST";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let weights: Vec<u8> = (0..3_000_000u32).map(|at| (at * 7 + at / 251) as u8).collect();
    vec![("config.json", b"{}".to_vec()), ("tokenizer.json", vec![b'x'; LARGE]), ("model.safetensors", weights)]
}

#[test]
#[ignore = "the others run it, each in a process of its own"]
fn a_pull_by_the_environment() {
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    let pulled = Settings::from_env().and_then(|settings| pull(&settings, &Repo::parse(REPO).unwrap(), &|_| {}));
    let said = pulled.map_or_else(|error| format!("error: {error}"), |path| path.display().to_string());
    println!("\n{SAYS}{said}");
}

/// Begins a pull in a process of its own, which knows of no proxies but those that are named.
fn begin(endpoint: &str, cache: &Path, environment: &[(&str, &str)]) -> Child {
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "HF_TOKEN", "HF_HUB_OFFLINE"];
    let mut pull = Command::new(std::env::current_exe().unwrap());
    pull.args(["a_pull_by_the_environment", "--exact", "--ignored", "--nocapture"]);
    for name in proxies {
        pull.env_remove(name).env_remove(name.to_lowercase());
    }
    pull.envs([(ASKED, "1"), ("HF_ENDPOINT", endpoint), ("HF_HOME", cache.to_str().unwrap())]);
    pull.envs(environment.iter().copied()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What came of a pull.
fn end(pull: Child) -> String {
    let output = pull.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().find_map(|line| line.strip_prefix(SAYS)).unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// The error of a pull into a new cache.
fn refused(endpoint: &str, environment: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let said = end(begin(endpoint, dir.path(), environment));
    said.strip_prefix("error: ").unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// That a model is there as it should be.
fn whole(cache: &Path) {
    let snapshot = cache.join("hub/models--org--tiny/snapshots").join(COMMIT);
    files().iter().for_each(|(name, bytes)| assert!(fs::read(snapshot.join(name)).unwrap() == *bytes, "{name}"));
}

#[test]
fn proxies_are_asked_as_the_environment_says() {
    let (hub, proxy) = (Hub::serve(&files()), Proxy::serve(None));
    let (url, signed) = (format!("http://{}", proxy.address), format!("http://me:a%20b@{}", proxy.address));
    for (environment, asked) in [
        (vec![("HTTP_PROXY", url.as_str())], true),
        (vec![("http_proxy", &url)], true),
        (vec![("ALL_PROXY", &url)], true),
        (vec![("ALL_PROXY", &proxy.address), ("NO_PROXY", "other.example, 27.0.0.1")], true),
        (vec![("HTTP_PROXY", &signed), ("ALL_PROXY", "http://127.0.0.1:9")], true),
        (vec![("HTTPS_PROXY", "http://127.0.0.1:9")], false),
        (vec![("HTTP_PROXY", "")], false),
        (vec![("HTTP_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "other.example, 127.0.0.1")], false),
        (vec![("ALL_PROXY", "http://127.0.0.1:9"), ("no_proxy", "*")], false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let said = end(begin(&hub.endpoint, dir.path(), &environment));
        assert!(!said.starts_with("error"), "{environment:?}: {said}");
        whole(dir.path());
        let lines = proxy.take();
        assert_eq!(!lines.is_empty(), asked, "{environment:?}: {lines:?}");
        assert!(lines.iter().all(|line| line.starts_with("CONNECT 127.0.0.1:")), "{lines:?}");
        let is_signed = |line: &String| line.ends_with(" Basic bWU6YSBi");
        assert!(lines.iter().all(|line| is_signed(line) == environment.contains(&("HTTP_PROXY", &signed))));
        // The hub, and where it leads.
        let hosts: std::collections::BTreeSet<&str> = lines.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        assert!(!asked || hosts.len() == 2, "{lines:?}");
    }
    // What is asked by TLS has a proxy of its own.
    let (safe, url) = (tls::with("own.pem"), url.as_str());
    for (environment, asked) in [(("HTTPS_PROXY", url), 1), (("HTTP_PROXY", url), 0)] {
        assert!(refused(&safe, &[environment]).contains("its certificate is not trusted"));
        let lines = proxy.take();
        assert_eq!(lines.len(), asked);
        assert!(lines.iter().all(|line| line.starts_with("CONNECT localhost:")), "{lines:?}");
    }
}

#[test]
fn a_proxy_that_is_none_is_named() {
    let (hub, closed) = (Hub::serve(&files()), Proxy::serve(Some("407 Proxy Authentication Required")));
    let error = refused(&hub.endpoint, &[("HTTP_PROXY", &closed.address)]);
    assert!(error.contains("407") && error.contains("HTTPS_PROXY"), "{error}");
    for (name, value) in [("http_proxy", "socks5://127.0.0.1:9"), ("ALL_PROXY", "://"), ("HTTP_PROXY", "ftp://a")] {
        let error = refused(&hub.endpoint, &[(name, value)]);
        let says = format!(
            "{name} is '{value}', which is no proxy that this program can use; http://HOST:PORT would be right"
        );
        assert_eq!(error, says);
    }
    assert!(hub.asked.lock().unwrap().is_empty(), "nothing goes round a proxy");
}

#[test]
fn what_is_wrong_with_tls_is_one_clear_error() {
    for (endpoint, says) in [
        (tls::with("own.pem"), "its certificate is not trusted"),
        (tls::with("expired.pem"), "its certificate has expired, or the clock of this machine is wrong"),
        (tls::with("early.pem"), "its certificate is not valid yet: the clock of this machine seems to be wrong"),
        (tls::saying(b"HTTP/1.1 400 Bad Request\r\n\r\nThis is no TLS\r\n"), "what answers there does not speak TLS"),
        (tls::saying(&[0x16, 3, 3, 0, 4, 2, 0, 0, 0]), "what answers there does not speak TLS"),
    ] {
        let error = refused(&endpoint, &[]);
        assert!(error.starts_with(&format!("{endpoint}: {says}")) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn what_cannot_be_trusted_is_named_also_where_the_hub_leads_to_it() {
    let (hub, other) = (Hub::serve(&files()), tls::with("own.pem"));
    let leads: &'static str = format!("Location: {other}/x").leak();
    hub.faults.lock().unwrap().refusals = vec![(302, leads)];
    let error = refused(&hub.endpoint, &[]);
    assert!(error.starts_with(&format!("{other}: its certificate is not trusted")), "{error}");
}

#[test]
fn processes_that_pull_the_same_at_once_are_safe() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let pulls: Vec<Child> = (0..3).map(|_| begin(&hub.endpoint, dir.path(), &[])).collect();
    for pull in pulls {
        let said = end(pull);
        assert!(said.ends_with(COMMIT), "{said}");
    }
    whole(dir.path());
    let asked = hub.asked.lock().unwrap();
    let weights = asked.iter().filter(|asked| asked.cdn && asked.path.ends_with("model.safetensors")).count();
    assert_eq!(weights, 1, "one fetches it, the others wait");
}
