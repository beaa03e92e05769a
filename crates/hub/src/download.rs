//! Downloads: a model's files into the cache, each held against its hash before it gets its name.

use crate::{
    ADAPTER, Error, Event, Repo, Settings, Watch,
    cache::{Cache, at, blob_of, entries, folder_of, is_part, length},
    client::{Client, Remote},
    data,
    hash::hash_of,
    quant,
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Files that come at the same time.
const AT_ONCE: usize = 4;
/// A file's attempts in a row that bring nothing.
const ATTEMPTS: u32 = 4;
const CHUNK: usize = 1 << 17;

/// Brings a model's files that are not here yet; of a data set those that fit one of the patterns.
pub(crate) fn download(
    settings: &Settings,
    repo: &Repo,
    patterns: &[&str],
    watch: &Watch<'_>,
) -> Result<PathBuf, Error> {
    let (client, cache) = (Client::new(settings)?, Cache::new(&settings.cache));
    let listing = retried(|| 0, || client.list(repo))?;
    let files =
        if patterns.is_empty() { wanted(repo, listing.files)? } else { fitting(repo, patterns, listing.files)? };
    cache.tag();
    watch(Event::All { bytes: files.iter().map(|file| file.size).sum(), files: files.len() });
    let job = Job { client: &client, cache: &cache, repo, commit: &listing.commit, watch };
    // Weights last, the decoder's of GGUF files behind its tower's: a folder that has them has all the rest.
    let last = |file: &Remote| {
        file.name.ends_with(".safetensors") || (quant::is_gguf(&file.name) && !quant::is_mmproj(&file.name))
    };
    let (weights, others): (Vec<_>, Vec<_>) = files.into_iter().partition(last);
    job.fetch_all(others)?;
    job.fetch_all(weights)?;
    cache.note(repo, &listing.commit)?;
    Ok(cache.snapshot(&repo.id, &listing.commit))
}

/// The files of a repository that make the model.
fn wanted(repo: &Repo, mut files: Vec<Remote>) -> Result<Vec<Remote>, Error> {
    if let Some(quant) = &repo.quant {
        let chosen = quant::chosen(repo, quant, files.iter().map(|file| file.name.as_str()))?;
        files.retain(|file| file.name == chosen.text || Some(&file.name) == chosen.mmproj.as_ref());
        return Ok(files);
    }
    if !files.iter().any(|file| file.name == "config.json" || file.name == ADAPTER) {
        let name = repo.to_string();
        return Err(match quant::there(files.iter().map(|file| file.name.as_str())) {
            Some(there) => Error::GgufAlone { name, there },
            None => Error::NoModel { name },
        });
    }
    files.retain(|file| is_wanted(&file.name));
    Ok(files)
}

/// The files of a data set that fit a pattern.
fn fitting(repo: &Repo, patterns: &[&str], mut files: Vec<Remote>) -> Result<Vec<Remote>, Error> {
    files.retain(|file| patterns.iter().any(|pattern| data::fits(pattern, &file.name)));
    match files.is_empty() {
        true => Err(Error::NoData { name: repo.to_string(), wanted: patterns.join(", ") }),
        false => Ok(files),
    }
}

/// Whether a file is one of those that make a checkpoint: weights, settings and templates at the top of the folder.
fn is_wanted(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    !name.contains(['/', '\\']) && !name.starts_with('.') && matches!(extension, "json" | "jinja" | "safetensors")
}

/// Tries again while something new comes each time (by `so_far`, in bytes), and a few times more where nothing does.
fn retried<T>(so_far: impl Fn() -> u64, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut left = ATTEMPTS;
    loop {
        let before = so_far();
        match attempt() {
            Err(error) if error.may_pass() => {
                left = if so_far() > before { ATTEMPTS } else { left - 1 };
                if left == 0 {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(100) * 4u32.pow(ATTEMPTS - left));
            }
            other => return other,
        }
    }
}

/// What all files of a pull share.
struct Job<'a> {
    client: &'a Client,
    cache: &'a Cache,
    repo: &'a Repo,
    commit: &'a str,
    watch: &'a Watch<'a>,
}

impl Job<'_> {
    /// Several at once, until all are here or one fails for good.
    fn fetch_all(&self, files: Vec<Remote>) -> Result<(), Error> {
        let workers = AT_ONCE.min(files.len());
        let (queue, failed) = (Mutex::new(files.into_iter()), AtomicBool::new(false));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(file) = next().filter(|_| !failed.load(Ordering::Relaxed)) {
                self.fetch(&file).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Err(Error::Worker)))
        })
    }

    /// One file: its blob, and its name.
    fn fetch(&self, file: &Remote) -> Result<(), Error> {
        let (id, hash) = (&self.repo.id, file.hash.name());
        let blob = self.cache.blob(id, hash);
        let more = |bytes| (self.watch)(Event::More { file: &file.name, bytes });
        // What is there and is not as long as the hub says was damaged: it comes anew.
        let is_whole = |path: &Path| fs::metadata(path).is_ok_and(|there| there.len() == file.size);
        if is_whole(&self.cache.snapshot(id, self.commit).join(&file.name)) {
            more(file.size);
            return Ok(());
        }
        if !is_whole(&blob) {
            let lock = self.cache.lock(id, hash)?;
            // Somebody else may have brought it meanwhile.
            if !is_whole(&blob) {
                folder_of(&blob)?;
                self.bring(file, &blob)?;
            }
            drop(lock);
        } else {
            more(file.size);
        }
        self.cache.link(id, self.commit, &file.name, hash)
    }

    /// A blob's bytes, beginning with those that an earlier attempt left.
    fn bring(&self, file: &Remote, blob: &Path) -> Result<(), Error> {
        let part = blob.with_file_name(format!("{}.incomplete", file.hash.name()));
        let there = length(&part).min(file.size);
        (self.watch)(Event::More { file: &file.name, bytes: there });
        retried(|| length(&part), || self.attempt(file, &part))?;
        fs::rename(&part, blob).map_err(at(blob))?;
        self.clear(file);
        Ok(())
    }

    /// Removes what other programs' attempts at a file have left (`HASH.SOMETHING.incomplete`), now that it is whole.
    fn clear(&self, file: &Remote) {
        let blobs = self.cache.folder(&self.repo.id).join("blobs");
        let left = |path: &PathBuf| is_part(path) && blob_of(path).as_deref() == Some(file.hash.name());
        // What cannot be removed does no harm.
        entries(&blobs).unwrap_or_default().iter().filter(|path| left(path)).for_each(|path| _ = fs::remove_file(path));
    }

    /// Reads on from what is there, to the end.
    fn attempt(&self, file: &Remote, part: &Path) -> Result<(), Error> {
        let there = length(part);
        if there > file.size {
            File::create(part).map_err(at(part))?;
        }
        if there != file.size || file.size == 0 {
            self.read_on(file, part, length(part))?;
        }
        if hash_of(part, &file.hash)? == file.hash.name() {
            return Ok(());
        }
        fs::remove_file(part).map_err(at(part))?;
        (self.watch)(Event::Again { file: &file.name, bytes: file.size });
        Err(Error::Damaged { file: file.name.clone() })
    }

    fn read_on(&self, file: &Remote, part: &Path, there: u64) -> Result<(), Error> {
        let mut coming = self.client.open(self.repo, self.commit, file, there)?;
        let mut options = File::options();
        let mut out = match coming.continued || there == 0 {
            true => options.append(true).create(true).open(part),
            false => {
                (self.watch)(Event::Again { file: &file.name, bytes: there });
                options.write(true).truncate(true).create(true).open(part)
            }
        }
        .map_err(at(part))?;
        let mut left = file.size - if coming.continued { there } else { 0 };
        let mut chunk = vec![0; CHUNK];
        while left > 0 {
            let read = coming.body.read(&mut chunk).map_err(|e| self.broken(file, &e.to_string()))?;
            // What comes behind the end is nobody's.
            let read = read.min(usize::try_from(left).unwrap_or(CHUNK));
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Err(self.broken(file, "the connection ended early"));
            };
            out.write_all(bytes).map_err(|e| full(part, file.size, e))?;
            left -= read as u64;
            (self.watch)(Event::More { file: &file.name, bytes: read as u64 });
        }
        out.sync_all().map_err(at(part))
    }

    fn broken(&self, file: &Remote, what: &str) -> Error {
        Error::Cut { file: file.name.clone(), what: what.to_owned() }
    }
}

fn full(path: &Path, size: u64, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull { path: path.to_owned(), size },
        _ => at(path)(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_checkpoint_is_wanted() {
        for name in ["config.json", "chat_template.jinja", "model-00001-of-00002.safetensors"] {
            assert!(is_wanted(name), "{name}");
        }
        for name in
            ["onnx/model.onnx", "pytorch_model.bin", "README.md", ".gitattributes", "../config.json", "a\\b.json"]
        {
            assert!(!is_wanted(name), "{name}");
        }
    }
}
