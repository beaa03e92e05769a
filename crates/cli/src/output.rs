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
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // The permissions of a file made in the ordinary way, not those of a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|source| Error::File { path: named.clone(), source })?;
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
