//! What is asked of the hub: which files a model has, and their bytes.

use crate::{
    Error, Repo, Settings,
    hash::Hash,
    name::{DATA, is_commit},
    proxy, tls,
};
use serde::Deserialize;
use std::{io::Read, time::Duration};
use ureq::{
    Agent, Body, Proxy,
    http::{Response, StatusCode, Uri},
};

/// A connection that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 8;
/// Bytes of the list of a model's files; the longest that are known are a tenth of it.
const LONGEST_LIST: u64 = 16 << 20;

/// A model's files at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) commit: String,
    pub(crate) files: Vec<Remote>,
}

/// A file on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Its path in the model's folder.
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) hash: Hash,
}

/// Bytes of a file that come.
pub(crate) struct Coming {
    /// Whether they begin where they were asked to; else at the file's beginning.
    pub(crate) continued: bool,
    pub(crate) body: Box<dyn Read + Send>,
}

/// Asks the hub.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// For `http` and for `https`, which may have different proxies.
    agents: [Agent; 2],
    endpoint: String,
    token: Option<String>,
}

impl Client {
    /// # Errors
    /// The environment names a proxy that cannot be used.
    pub(crate) fn new(settings: &Settings) -> Result<Client, Error> {
        let agent = |proxy: Option<Proxy>| {
            Agent::config_builder()
                .proxy(proxy)
                .user_agent(concat!("smolvlm/", env!("CARGO_PKG_VERSION")))
                .accept_encoding("identity")
                .http_status_as_error(false)
                // The token goes to the hub alone, so each redirect is looked at here.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .timeout_connect(Some(CONNECT))
                .timeout_recv_response(Some(PATIENCE))
                .timeout_per_read(Some(PATIENCE))
                .build()
                .new_agent()
        };
        let named = |scheme: &str| proxy::of(scheme, |name| std::env::var(name).ok());
        let agents = [agent(named("http")?), agent(named("https")?)];
        Ok(Client { agents, endpoint: settings.endpoint.clone(), token: settings.token.clone() })
    }

    /// A model's files at its revision.
    pub(crate) fn list(&self, repo: &Repo) -> Result<Listing, Error> {
        let revision = repo.revision.replace('/', "%2F");
        let kind = if repo.id.starts_with(DATA) { "" } else { "models/" };
        let url = format!("{}/api/{kind}{}/revision/{revision}?blobs=true", self.endpoint, repo.id);
        let mut response = self.get(repo, url, None)?;
        let text = response.body_mut().with_config().limit(LONGEST_LIST).read_to_string();
        let text = text.map_err(|e| self.cut(&self.endpoint, &e))?;
        listing(&text).ok_or_else(|| Error::NotTheHub { endpoint: self.endpoint.clone() })
    }

    /// The bytes of a file from `start` on.
    pub(crate) fn open(&self, repo: &Repo, commit: &str, file: &Remote, start: u64) -> Result<Coming, Error> {
        let name: Vec<String> = file.name.split('/').map(escaped).collect();
        let url = format!("{}/{}/resolve/{commit}/{}", self.endpoint, repo.id, name.join("/"));
        let range = (start > 0).then(|| format!("bytes={start}-"));
        let response = match self.get(repo, url.clone(), range.as_deref()) {
            // What is here already is more than there is.
            Err(Error::Refused { status: 416, .. }) => self.get(repo, url, None)?,
            other => other?,
        };
        let continued = response.status() == StatusCode::PARTIAL_CONTENT;
        Ok(Coming { continued, body: Box::new(response.into_body().into_reader()) })
    }

    /// Follows redirects to an answer. The token is shown to the hub's own host alone.
    fn get(&self, repo: &Repo, url: String, range: Option<&str>) -> Result<Response<Body>, Error> {
        let home = host(&self.endpoint);
        let mut url = url;
        for _ in 0..REDIRECTS {
            let [plain, safe] = &self.agents;
            let mut request = if is_safe(&url) { safe } else { plain }.get(&url);
            if let Some(token) = self.token.as_ref().filter(|_| home.is_some() && host(&url) == home) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if let Some(range) = range {
                request = request.header("Range", range);
            }
            let response = request.call().map_err(|e| self.cut(&url, &e))?;
            if response.status().is_success() {
                return Ok(response);
            }
            if !response.status().is_redirection() {
                return Err(refusal(repo, self.token.is_some(), &response));
            }
            let location = header(&response, "Location").and_then(|location| joined(&url, &location));
            url = location.ok_or_else(|| Error::NotTheHub { endpoint: self.endpoint.clone() })?;
        }
        Err(Error::NotTheHub { endpoint: self.endpoint.clone() })
    }

    /// Why an address does not answer: the hub's, or one where that leads.
    fn cut(&self, url: &str, error: &ureq::Error) -> Error {
        let other = host(url).filter(|_| !url.starts_with(&self.endpoint));
        let endpoint = other.map_or(self.endpoint.clone(), |(scheme, host)| format!("{scheme}://{host}"));
        match (tls::what(error), error) {
            (Some(what), _) => Error::Tls { endpoint, what },
            (None, ureq::Error::Io(error)) => Error::Network { endpoint, what: error.to_string() },
            (None, error) => Error::Network { endpoint, what: error.to_string() },
        }
    }
}

/// Whether an address is asked by TLS.
fn is_safe(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Of a URL its scheme, host and port.
fn host(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.authority()?.as_str().to_owned()))
}

/// Where a redirect leads: a whole URL, or a path on the same host.
fn joined(from: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(location.to_owned());
    }
    let (scheme, authority) = host(from)?;
    location.starts_with('/').then(|| format!("{scheme}://{authority}{location}"))
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// What a refusal means, by its status and the hub's own code for it.
fn refusal(repo: &Repo, signed: bool, response: &Response<Body>) -> Error {
    let status = response.status().as_u16();
    let (name, revision) = (repo.id.clone(), repo.revision.clone());
    match (status, header(response, "X-Error-Code").as_deref()) {
        (_, Some("GatedRepo")) => Error::Gated { name, signed },
        (_, Some("RevisionNotFound")) => Error::NoRevision { name, revision },
        (_, Some("RepoNotFound")) | (404, None) => Error::NoRepo { name, signed },
        (401, _) => Error::NoRepo { name, signed },
        (429, _) => {
            let wait = header(response, "Retry-After").and_then(|text| text.trim().parse().ok());
            Error::RateLimit { wait, signed }
        }
        (_, code) => {
            let said = header(response, "X-Error-Message").or(code.map(str::to_owned));
            Error::Refused { name, status, said: said.map_or(String::new(), |said| format!(" ({said})")) }
        }
    }
}

/// A path's part as a URL has it.
fn escaped(part: &str) -> String {
    let byte = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    part.bytes().map(byte).collect()
}

/// The list of the hub's answer; `None` where it is none.
fn listing(text: &str) -> Option<Listing> {
    #[derive(Deserialize)]
    struct Answer {
        sha: String,
        siblings: Vec<Sibling>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sibling {
        rfilename: String,
        size: Option<u64>,
        blob_id: Option<String>,
        lfs: Option<Lfs>,
    }
    #[derive(Deserialize)]
    struct Lfs {
        sha256: String,
        size: Option<u64>,
    }
    let answer: Answer = serde_json::from_str(text).ok()?;
    let remote = |sibling: Sibling| {
        let size = sibling.lfs.as_ref().and_then(|lfs| lfs.size).or(sibling.size)?;
        let hash = match sibling.lfs {
            Some(lfs) => Hash::of_name(&lfs.sha256).filter(|hash| matches!(hash, Hash::Sha256(_))),
            None => Hash::of_name(&sibling.blob_id?).filter(|hash| matches!(hash, Hash::Git(_))),
        };
        Some(Remote { name: sibling.rfilename, size, hash: hash? })
    };
    let files = answer.siblings.into_iter().filter_map(remote).collect();
    is_commit(&answer.sha).then_some(Listing { commit: answer.sha, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_sizes_and_hashes_and_nothing_that_leads_elsewhere() {
        let (git, lfs, commit) = ("ab".repeat(20), "cd".repeat(32), "01".repeat(20));
        let text = format!(
            r#"{{"sha": "{commit}", "siblings": [
                {{"rfilename": "config.json", "size": 7, "blobId": "{git}"}},
                {{"rfilename": "model.safetensors", "size": 9, "blobId": "{git}", "lfs": {{"sha256": "{lfs}", "size": 9, "pointerSize": 1}}}},
                {{"rfilename": "odd", "size": 9, "blobId": "../../x"}}]}}"#
        );
        let found = listing(&text).unwrap();
        assert_eq!(found.commit, commit);
        let names: Vec<(&str, u64, &str)> = found.files.iter().map(|f| (&*f.name, f.size, f.hash.name())).collect();
        assert_eq!(names, [("config.json", 7, &*git), ("model.safetensors", 9, &*lfs)]);
        for wrong in ["", "<html>", r#"{"sha": "../..", "siblings": []}"#] {
            assert_eq!(listing(wrong), None);
        }
    }

    #[test]
    fn redirects_lead_to_urls_and_paths() {
        let to = |location: &str| joined("https://hub:8/a/b?c", location);
        assert_eq!(to("/d?e").as_deref(), Some("https://hub:8/d?e"));
        assert_eq!(to("https://cdn/f").as_deref(), Some("https://cdn/f"));
        assert_eq!((to("file:///etc/passwd"), to("d")), (None, None));
        assert_ne!(host("https://hub:8/a"), host("https://hub/a"));
        assert_eq!(escaped("a b#ü.json"), "a%20b%23%C3%BC.json");
    }
}
