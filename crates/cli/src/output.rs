//! Writing to stdout, and files that are whole or not there.

use crate::error::Error;
use smolvlm_sys::aside;
use std::io::Write;
use std::path::Path;

/// Writes a line to stdout.
pub(crate) fn print_line(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::stdout)
}

/// A file that is being written: to a temporary name beside its own, then renamed.
pub(crate) struct NewFile {
    path: String,
    file: aside::NewFile,
}

impl NewFile {
    /// Begins a file; an error here comes before any work for it is done.
    pub(crate) fn begin(path: &Path) -> Result<NewFile, Error> {
        let named = path.display().to_string();
        match aside::NewFile::begin(path) {
            Ok(file) => Ok(NewFile { path: named, file }),
            Err(source) => Err(Error::File { path: named, source }),
        }
    }

    /// Writes it whole and gives it its name.
    pub(crate) fn finish(mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.finish());
        written.map_err(|source| Error::File { path: self.path, source })
    }
}
