//! What is in the cache: models with their sizes, their removal, and whether their files are whole.

use crate::{
    Error, Settings,
    cache::{Cache, at, blob_of, entries, is_part, length},
    hash::{Hash, hash_of},
    missing, quant,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// `org/name`.
    pub name: String,
    /// Bytes of all its files, each counted once.
    pub bytes: u64,
    /// Its branches and tags, in order.
    pub revisions: Vec<String>,
    /// Bytes of downloads that have not ended.
    pub unfinished: u64,
}

/// A file of the cache that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where it lies.
    pub path: PathBuf,
    /// The files that it is in the model's snapshots: `COMMIT/NAME`.
    pub files: Vec<String>,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The models in the cache, by name.
///
/// # Errors
/// The cache cannot be looked into.
pub fn kept(settings: &Settings) -> Result<Vec<Kept>, Error> {
    let cache = Cache::new(&settings.cache);
    let of = |name: String| {
        let folder = cache.folder(&name);
        let (mut bytes, mut unfinished) = (0, 0);
        for blob in entries(&folder.join("blobs"))? {
            let length = fs::metadata(&blob).map_err(at(&blob))?.len();
            *if is_unfinished(&blob) { &mut unfinished } else { &mut bytes } += length;
        }
        // Where there are no links, files lie in their snapshots.
        bytes += files(&folder.join("snapshots"))?
            .iter()
            .filter(|path| !path.is_symlink())
            .map(|path| length(path))
            .sum::<u64>();
        let refs = folder.join("refs");
        let name_of = |path: &PathBuf| Some(path.strip_prefix(&refs).ok()?.to_string_lossy().into_owned());
        Ok(Kept { name, bytes, revisions: files(&refs)?.iter().filter_map(name_of).collect(), unfinished })
    };
    cache.models()?.into_iter().map(of).collect()
}

/// Removes a model; how many bytes that frees.
///
/// # Errors
/// It is not there, or cannot be removed.
pub fn remove(settings: &Settings, name: &str) -> Result<u64, Error> {
    let cache = Cache::new(&settings.cache);
    let there = kept(settings)?.into_iter().find(|kept| kept.name == name);
    let there = there.ok_or_else(|| Error::NotHere { name: name.to_owned() })?;
    for folder in [cache.folder(name), cache.locks(name)] {
        match fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(&folder)(e)),
            _ => {}
        }
    }
    Ok(there.bytes + there.unfinished)
}

/// Reads all files of a model and holds them against their names; what is wrong, and how many were looked at.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn verify(settings: &Settings, name: &str) -> Result<(Vec<Broken>, usize), Error> {
    let folder = Cache::new(&settings.cache).folder(name);
    if !folder.is_dir() {
        return Err(Error::NotHere { name: name.to_owned() });
    }
    let snapshots = folder.join("snapshots");
    let shown = files(&snapshots)?;
    let name_of = |path: &Path| Some(path.strip_prefix(&snapshots).ok()?.to_string_lossy().into_owned());
    let links_to = |blob: &Path| {
        let is_it = |path: &&PathBuf| fs::read_link(path).is_ok_and(|to| to.file_name() == blob.file_name());
        shown.iter().filter(is_it).filter_map(|path| name_of(path)).collect()
    };
    let (mut broken, mut count) = (Vec::new(), 0);
    for blob in entries(&folder.join("blobs"))?.into_iter().filter(|blob| !is_part(blob)) {
        count += 1;
        let hash = blob.file_name().and_then(|name| Hash::of_name(&name.to_string_lossy()));
        match hash {
            // Another program named it by something else.
            None => {}
            Some(hash) if hash_of(&blob, &hash)? == hash.name() => {}
            Some(_) => {
                let files = links_to(&blob);
                broken.push(Broken { path: blob, files, what: "its bytes are not what its hash says" });
            }
        }
    }
    let dangling = shown.iter().filter(|path| !path.exists());
    broken.extend(dangling.map(|path| Broken {
        path: path.clone(),
        files: name_of(path).into_iter().collect(),
        what: "what it links to is not there",
    }));
    let unfinished = entries(&folder.join("blobs"))?.into_iter().filter(|blob| is_unfinished(blob));
    let what = "it has not come whole: pull it again";
    broken.extend(unfinished.map(|path| Broken { path, files: Vec::new(), what }));
    for path in entries(&snapshots)? {
        let names: Vec<PathBuf> = entries(&path)?;
        let has_gguf = names.iter().any(|name| quant::is_gguf(&name.to_string_lossy()));
        if let Some(what) = missing(&path).filter(|_| !has_gguf) {
            broken.push(Broken { files: name_of(&path).into_iter().collect(), path, what });
        }
    }
    Ok((broken, count))
}

/// Whether a blob has not come whole, and nobody has brought it since.
fn is_unfinished(path: &Path) -> bool {
    is_part(path) && !blob_of(path).is_some_and(|name| path.with_file_name(name).is_file())
}

/// All files below a folder, in order; links are not followed.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}
