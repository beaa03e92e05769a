//! Where the hub is and where its files are kept, as `huggingface_hub` reads it from the environment.

use crate::Error;
use std::path::PathBuf;

/// The hub's own address.
const ENDPOINT: &str = "https://huggingface.co";

/// What the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where models are asked for, without a slash at the end: `HF_ENDPOINT`.
    pub endpoint: String,
    /// Where they are kept: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in `~/.cache/huggingface`.
    pub cache: PathBuf,
    /// Who asks: `HF_TOKEN`, else what the token file holds (`HF_TOKEN_PATH`, else `token` in `HF_HOME`).
    pub token: Option<String>,
    /// Nothing is asked of the network: `HF_HUB_OFFLINE`.
    pub offline: bool,
}

impl Settings {
    /// Those of this process's environment.
    ///
    /// # Errors
    /// Neither a cache nor a home is named.
    pub fn from_env() -> Result<Settings, Error> {
        Settings::of(|name| std::env::var(name).ok())
    }

    /// Those that an environment says.
    pub(crate) fn of(get: impl Fn(&str) -> Option<String>) -> Result<Settings, Error> {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let home = || set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
        // A shell does not expand a ~ that stands in a file of settings.
        let path = |value: String| match (value.strip_prefix("~/"), home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(value),
        };
        let ours = || {
            let cache = set("XDG_CACHE_HOME").map(path).or_else(|| home().map(|home| home.join(".cache")));
            set("HF_HOME").map(path).or_else(|| cache.map(|cache| cache.join("huggingface")))
        };
        let cache = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE")).map(path);
        let cache = cache.or_else(|| ours().map(|ours| ours.join("hub"))).ok_or(Error::NoCache)?;
        let token_file = set("HF_TOKEN_PATH").map(path).or_else(|| ours().map(|ours| ours.join("token")));
        let yes = |name: &str| {
            set(name).is_some_and(|value| matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
        };
        let stored = || {
            let file = token_file.filter(|_| !yes("HF_HUB_DISABLE_IMPLICIT_TOKEN"))?;
            std::fs::read_to_string(file).ok()
        };
        let token = set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN")).or_else(stored);
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        Ok(Settings {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            cache,
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: yes("HF_HUB_OFFLINE"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Settings {
        let get = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Settings::of(get).unwrap()
    }

    #[test]
    fn the_environment_is_read_as_the_python_library_reads_it() {
        let plain = of(&[("HOME", "/h")]);
        assert_eq!((plain.endpoint.as_str(), plain.cache), (ENDPOINT, PathBuf::from("/h/.cache/huggingface/hub")));
        assert_eq!((plain.token, plain.offline), (None, false));
        let cache = |set: &[(&str, &str)]| of(set).cache.display().to_string();
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), "/x/huggingface/hub");
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")]), "/h/hf/hub");
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")]), "/c");
        assert_eq!(cache(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")]), "/c");
        assert_eq!(of(&[("HOME", "/h"), ("HF_ENDPOINT", "http://mirror:1/")]).endpoint, "http://mirror:1");
        for (value, offline) in [("1", true), ("yes", true), ("0", false), ("", false)] {
            assert_eq!(of(&[("HOME", "/h"), ("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
        }
        assert!(matches!(Settings::of(|_| None), Err(Error::NoCache)));
    }

    #[test]
    fn a_token_is_the_environments_or_the_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "stored\n").unwrap();
        let home = ("HF_HOME", dir.path().to_str().unwrap());
        assert_eq!(of(&[home]).token.as_deref(), Some("stored"));
        assert_eq!(of(&[home, ("HF_TOKEN", " mine ")]).token.as_deref(), Some("mine"));
        assert_eq!(of(&[home, ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]).token, None);
        assert_eq!(of(&[home, ("HF_TOKEN_PATH", "/nowhere")]).token, None);
    }
}
