//! Keys: who shows none of them is not let in.

use crate::error::{Error, Failure};
use crate::options::Options;
use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The keys that are taken, as digests: all of a length, so that comparing them tells nothing.
pub(crate) struct Keys(Vec<[u8; 32]>);

/// The largest file of keys.
const MOST: u64 = 1 << 20;

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

impl Keys {
    /// Those of the options and of their file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no key.
    pub(crate) fn of(options: &Options) -> Result<Keys, Error> {
        let mut keys: Vec<[u8; 32]> = options.api_key.iter().map(|key| digest(key.trim())).collect();
        if let Some(path) = &options.api_key_file {
            let named = |source| Error::File { path: path.display().to_string(), source };
            let file = std::fs::File::open(path).map_err(named)?;
            let text = std::io::read_to_string(std::io::Read::take(file, MOST)).map_err(named)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            let before = keys.len();
            keys.extend(lines.map(digest));
            if keys.len() == before {
                return Err(Error::Options(format!("{}: it holds no key; one a line would be right", path.display())));
            }
        }
        Ok(Keys(keys))
    }

    /// Whether any are asked for.
    pub(crate) fn are_asked(&self) -> bool {
        !self.0.is_empty()
    }

    /// Lets a request in whose headers show one of the keys: `Authorization: Bearer KEY` or `X-Api-Key: KEY`.
    ///
    /// # Errors
    /// It shows none, or another.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if !self.are_asked() {
            return Ok(());
        }
        let refuse = |what: &str| Err(Failure::new(StatusCode::UNAUTHORIZED, what).code("invalid_api_key"));
        let Some(shown) = shown(headers) else {
            return refuse("no key is shown; 'Authorization: Bearer KEY' or 'X-Api-Key: KEY' would be right");
        };
        match self.has(shown) {
            true => Ok(()),
            false => refuse("the key that is shown is not one of this server's"),
        }
    }

    /// Compares with every key to the end.
    fn has(&self, shown: &str) -> bool {
        let shown = digest(shown);
        self.0.iter().fold(Choice::from(0), |found, key| found | key.ct_eq(&shown)).into()
    }
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    let text = |value: &axum::http::HeaderValue| value.to_str().is_ok();
    if let Some(value) = headers.get(header::AUTHORIZATION).filter(|value| text(value)) {
        let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim());
    }
    headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(keys: &Keys, name: &'static str, value: &str) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        keys.check(&headers)
    }

    #[test]
    fn forms_of_showing_a_key() {
        let keys = Keys(vec![digest("one"), digest("two")]);
        for (name, value) in [("authorization", "Bearer one"), ("authorization", "bearer  two "), ("x-api-key", "two")]
        {
            assert!(checked(&keys, name, value).is_ok(), "{name}: {value}");
        }
        for (name, value) in [
            ("authorization", "Basic one"),
            ("authorization", "one"),
            ("authorization", "Bearer "),
            ("authorization", "Bearer on"),
            ("authorization", "Bearer onee"),
            ("x-api-key", ""),
            ("x-api-key", "Bearer one"),
            ("x-other", "one"),
        ] {
            assert_eq!(checked(&keys, name, value).unwrap_err().status, 401, "{name}: {value}");
        }
        assert!(Keys(Vec::new()).check(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn keys_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# mine\n\n  one \ntwo\n").unwrap();
        let options =
            Options { api_key_file: Some(file.path().into()), api_key: vec!["zero".into()], ..Options::standard() };
        let keys = Keys::of(&options).unwrap();
        assert_eq!(keys.0.len(), 3);
        assert!(keys.has("zero") && keys.has("one") && keys.has("two") && !keys.has("# mine"));
        std::fs::write(file.path(), "# none\n").unwrap();
        assert!(Keys::of(&options).is_err());
    }
}
