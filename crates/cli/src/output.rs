//! Writing to stdout, and files that are whole or not there.

use crate::error::Error;
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
    file: tempfile::NamedTempFile,
}

impl NewFile {
    /// Begins a file; an error here comes before any work for it is done.
    pub(crate) fn begin(path: &Path) -> Result<NewFile, Error> {
        let named = path.display().to_string();
        if path.is_dir() || path.file_name().is_none() {
            let source = std::io::Error::new(std::io::ErrorKind::IsADirectory, "a folder, or no name of a file");
            return Err(Error::File { path: named, source });
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such folder");
            return Err(Error::File { path: named, source });
        }
        let mut builder = tempfile::Builder::new();
        // The permissions of a file made in the ordinary way, not those of a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // The kind alone: the rest names the temporary file.
        let failed = |e: std::io::Error| Error::File { path: named.clone(), source: e.kind().into() };
        let file = builder.tempfile_in(folder).map_err(failed)?;
        Ok(NewFile { path: named, file })
    }

    /// Writes it whole and gives it its name.
    pub(crate) fn finish(mut self, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path;
        let named = |source| Error::File { path: path.clone(), source };
        self.file.write_all(bytes).and_then(|()| self.file.as_file().sync_all()).map_err(named)?;
        self.file.persist(&path).map_err(|e| named(e.error))?;
        Ok(())
    }
}
