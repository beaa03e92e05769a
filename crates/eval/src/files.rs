//! Files that are whole or not there, and answers that stay when a run is ended.

use crate::Error;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::File { path: path.clone(), source }
}

/// Lines of JSON, written under a name with `.part` behind it and renamed when all are there. Where a run is killed that
/// file stays, with the lines so far.
pub(crate) struct Lines {
    part: PathBuf,
    file: BufWriter<File>,
}

/// The name of a file that is not whole.
pub(crate) fn part(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

impl Lines {
    /// Begins a file with these lines, and makes its folder.
    pub(crate) fn begin<'a>(path: &Path, lines: impl Iterator<Item = &'a Value>) -> Result<Lines, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        let part = part(path);
        // What another run left is replaced in one step.
        let all: String = lines.map(|line| format!("{line}\n")).collect();
        replace(&part, all.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&part).map_err(failed(&part))?;
        Ok(Lines { part, file: BufWriter::new(file) })
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &Value) -> Result<(), Error> {
        writeln!(self.file, "{line}").map_err(failed(&self.part))
    }

    /// Hands the lines so far to the system.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.file.flush().map_err(failed(&self.part))
    }
}

/// The text of a file; none where it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read(path) {
        // What was broken off within a letter is no line.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

/// Writes a file aside and gives it its name, in the place of the one before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    smolvlm_sys::aside::replace(path, bytes).map_err(failed(path))
}
