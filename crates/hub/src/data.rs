//! Files of data sets on the hub.

use crate::cache::{Cache, entries};
use crate::pull::download;
use crate::{Error, Repo, Settings, Watch};
use std::path::{Path, PathBuf};

/// Finds those files of the data set `org/name[@revision]` whose names fit one of the patterns, and brings them if they are not
/// here; the folder below which they lie. In each part of a pattern, between slashes, one `*` may stand for any letters.
///
/// # Errors
/// It is no name of the hub; the hub has no such data set, or none of the files; or they cannot be fetched.
pub fn data(settings: &Settings, name: &str, patterns: &[&str], watch: &Watch<'_>) -> Result<PathBuf, Error> {
    let repo = Repo::data(name).ok_or_else(|| Error::Unknown { name: name.to_owned() })?;
    if let Some(folder) = in_cache(settings, &repo, patterns) {
        return Ok(folder);
    }
    if settings.offline {
        return Err(Error::Offline { name: repo.to_string() });
    }
    download(settings, &repo, patterns, watch)
}

/// The data set's folder in the cache, where all files of the patterns are there.
fn in_cache(settings: &Settings, repo: &Repo, patterns: &[&str]) -> Option<PathBuf> {
    let cache = Cache::new(&settings.cache);
    let folder = cache.snapshot(&repo.id, &cache.commit(repo)?);
    let names = below(&folder, "", 0);
    let whole = |pattern: &&str| {
        let found: Vec<&String> = names.iter().filter(|name| fits(pattern, name)).collect();
        !found.is_empty() && found.iter().all(|name| parts(name).is_none_or(|of| found.len() >= of))
    };
    patterns.iter().all(whole).then_some(folder)
}

/// How many parts a file says that it is one of: `test-00000-of-00003.parquet`.
fn parts(name: &str) -> Option<usize> {
    let (_, rest) = name.rsplit_once("-of-")?;
    rest.split(['-', '.']).next()?.parse().ok()
}

/// The names of files below a folder, by their paths from it.
fn below(folder: &Path, prefix: &str, depth: usize) -> Vec<String> {
    let mut names = Vec::new();
    for path in entries(folder).unwrap_or_default() {
        let Some(name) = path.file_name().map(|name| format!("{prefix}{}", name.to_string_lossy())) else { continue };
        match path.is_dir() {
            true if depth < 8 => names.extend(below(&path, &format!("{name}/"), depth + 1)),
            true => {}
            false => names.push(name),
        }
    }
    names
}

/// Whether a path is what a pattern says. None fits that leads out of its folder.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    let sound = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':']);
    let one = |pattern: &str, part: &str| match pattern.split_once('*') {
        None => pattern == part,
        Some((start, end)) => part.len() >= start.len() + end.len() && part.starts_with(start) && part.ends_with(end),
    };
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(|(pattern, part)| sound(part) && one(pattern, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_files() {
        assert!(fits("data/test-*.parquet", "data/test-00000-of-00001-ab.parquet") && fits("a.parquet", "a.parquet"));
        assert!(fits("*/validation-*.parquet", "Art/validation-0.parquet"));
        for (pattern, path) in
            [("*/*", "../a"), ("*", ".a"), ("data/*", "data/a/b"), ("*", "a\\b"), ("a-*-b", "a-b"), ("*", "")]
        {
            assert!(!fits(pattern, path), "{pattern} {path}");
        }
        assert_eq!((parts("x-00001-of-00004-5f.parquet"), parts("x.parquet")), (Some(4), None));
        assert!(Repo::data("a/b").is_some() && Repo::data("datasets/a/b").is_none() && Repo::data("../b").is_none());
    }
}
