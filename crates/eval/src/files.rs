//! Files that are whole or not there, and answers that stay when a run is ended.

use crate::Error;
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::File { path: path.clone(), source }
}

/// Lines of JSON, written under a name with `.part` behind it and renamed when all are there. Where a run is killed that
/// file stays, with the lines so far.
pub(crate) struct Lines {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
}

impl Lines {
    /// Begins a file, and makes its folder.
    pub(crate) fn begin(path: &Path) -> Result<Lines, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(failed(&part))?;
        Ok(Lines { path: path.to_owned(), part, file: BufWriter::new(file) })
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, line: &Value) -> Result<(), Error> {
        writeln!(self.file, "{line}").map_err(failed(&self.part))
    }

    /// Hands the lines so far to the system.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.file.flush().map_err(failed(&self.part))
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(failed(&self.part))?;
        std::fs::rename(&self.part, &self.path).map_err(failed(&self.path))
    }
}

/// Writes a file aside and gives it its name, in the place of the one before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    smolvlm_sys::aside::replace(path, bytes).map_err(failed(path))
}
