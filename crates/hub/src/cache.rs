//! The Hugging Face cache, laid out as `huggingface_hub` lays it out, so that each finds what the other brought.
//!
//! `models--ORG--NAME/` has `blobs/` (files by their hashes), `refs/` (what commit a branch is) and `snapshots/COMMIT/`
//! (files by their names, links to blobs); `.locks/models--ORG--NAME/HASH.lock` is held while a blob is written.

use crate::{Error, Repo, name::DATA, name::is_commit};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The cache.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn new(root: &Path) -> Cache {
        Cache { root: root.to_owned() }
    }

    /// A model's folder.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.root.join(folder_name(id))
    }

    /// The commit that a revision was when it was last asked for; a commit is itself.
    pub(crate) fn commit(&self, repo: &Repo) -> Option<String> {
        if repo.is_commit() {
            return Some(repo.revision.clone());
        }
        let commit = fs::read_to_string(self.folder(&repo.id).join("refs").join(&repo.revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes which commit a revision is.
    pub(crate) fn note(&self, repo: &Repo, commit: &str) -> Result<(), Error> {
        if repo.is_commit() || self.commit(repo).as_deref() == Some(commit) {
            return Ok(());
        }
        write(&self.folder(&repo.id).join("refs").join(&repo.revision), commit.as_bytes())
    }

    /// Where a commit's files lie by their names.
    pub(crate) fn snapshot(&self, id: &str, commit: &str) -> PathBuf {
        self.folder(id).join("snapshots").join(commit)
    }

    /// Where a file of this hash lies.
    pub(crate) fn blob(&self, id: &str, hash: &str) -> PathBuf {
        self.folder(id).join("blobs").join(hash)
    }

    /// Waits until nobody else writes a blob, and keeps others from it until the file is dropped.
    pub(crate) fn lock(&self, id: &str, hash: &str) -> Result<File, Error> {
        let path = self.locks(id).join(format!("{hash}.lock"));
        folder_of(&path)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }

    /// Gives a commit's file its name: a link to its blob, or the blob's bytes where there are no links.
    pub(crate) fn link(&self, id: &str, commit: &str, name: &str, hash: &str) -> Result<(), Error> {
        let path = self.snapshot(id, commit).join(name);
        folder_of(&path)?;
        let aside = aside(&path);
        #[cfg(unix)]
        let linked = {
            // Up from the file's folder to the repository's.
            let up = "../".repeat(2 + name.matches('/').count());
            std::os::unix::fs::symlink(Path::new(&up).join("blobs").join(hash), &aside)
        };
        #[cfg(not(unix))]
        let linked = {
            let blob = self.blob(id, hash);
            fs::hard_link(&blob, &aside).or_else(|_| fs::copy(&blob, &aside).map(drop))
        };
        linked.map_err(at(&aside))?;
        fs::rename(&aside, &path).map_err(at(&path))
    }

    /// The names of all models in it, in order.
    pub(crate) fn models(&self) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        for entry in entries(&self.root)? {
            let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let id = name.strip_prefix("models--").map(|rest| rest.replacen("--", "/", 1));
            ids.extend(id.filter(|_| entry.is_dir()));
        }
        ids.sort();
        Ok(ids)
    }

    /// The folder of a model's locks.
    pub(crate) fn locks(&self, id: &str) -> PathBuf {
        self.root.join(".locks").join(folder_name(id))
    }

    /// Marks the cache as one, for programs that make copies of a disk (the convention `CACHEDIR.TAG`).
    pub(crate) fn tag(&self) {
        let path = self.root.join("CACHEDIR.TAG");
        if !path.exists() && fs::create_dir_all(&self.root).is_ok() {
            // It is a courtesy: a cache without it works.
            let _ = fs::write(path, "Signature: 8a477f597d28d172789f06886806bc55\n");
        }
    }
}

fn folder_name(id: &str) -> String {
    let kind = if id.starts_with(DATA) { "" } else { "models--" };
    format!("{kind}{}", id.replace('/', "--"))
}

/// Whether a blob has not come whole.
pub(crate) fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "incomplete")
}

/// The name of the blob that a file is, or is a part of.
pub(crate) fn blob_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    Some(name.split('.').next().unwrap_or_default().to_owned())
}

/// What lies in a folder, in no order; nothing where there is none.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(folder)(e)),
    };
    read.map(|entry| Ok(entry.map_err(at(folder))?.path())).collect()
}

/// How long a file is; 0 where there is none.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// An error at a path.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path, source }
}

/// Makes the folder that a file is to lie in.
pub(crate) fn folder_of(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), |parent| fs::create_dir_all(parent).map_err(at(parent)))
}

/// A name beside a path that no other writer has.
fn aside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!("{name}.{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    folder_of(path)?;
    smolvlm_sys::aside::replace(path, bytes).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_noted_and_files_linked() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let (repo, commit) = (Repo::parse("org/name@refs/pr/1").unwrap(), "0a".repeat(20));
        assert_eq!(cache.commit(&repo), None);
        cache.note(&repo, &commit).unwrap();
        assert_eq!(cache.commit(&repo), Some(commit.clone()));
        assert_eq!(fs::read_to_string(dir.path().join("models--org--name/refs/refs/pr/1")).unwrap(), commit);
        let blob = cache.blob("org/name", "abc");
        folder_of(&blob).unwrap();
        fs::write(&blob, "text").unwrap();
        // Twice: another process may have been there first.
        for _ in 0..2 {
            cache.link("org/name", &commit, "config.json", "abc").unwrap();
        }
        let path = cache.snapshot("org/name", &commit).join("config.json");
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        assert_eq!(cache.models().unwrap(), ["org/name"]);
        cache.tag();
        assert!(dir.path().join("CACHEDIR.TAG").is_file());
    }

    #[test]
    fn one_at_a_time_writes_a_blob() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let held = cache.lock("a/b", "hash").unwrap();
        let other = File::open(cache.locks("a/b").join("hash.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
