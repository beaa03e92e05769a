//! Files and folders that are whole or not there.

use crate::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes a file, down to the disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|source| Error::file(path, source))
}

/// Writes a file aside and gives it its name, in the place of the one before.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::file(path, source);
    let mut builder = tempfile::Builder::new();
    // The permissions of a file made in the ordinary way, not those of a secret.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut aside = builder.tempfile_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    aside.write_all(bytes).map_err(failed)?;
    aside.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// A folder that is being filled under a temporary name, and is gone if it is let go before it has its own.
pub(crate) struct NewFolder(tempfile::TempDir);

impl NewFolder {
    /// Begins a folder that will stand at `output`.
    pub(crate) fn begin(output: &Path) -> Result<NewFolder, Error> {
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".smolvlm-");
        // As for files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        // The kind alone: the rest names the temporary folder.
        builder.tempdir_in(parent).map(NewFolder).map_err(|e| Error::file(output, e.kind().into()))
    }

    /// Where it is filled.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it its name.
    pub(crate) fn finish(self, output: &Path) -> Result<(), Error> {
        std::fs::rename(self.path(), output).map_err(|source| Error::file(output, source))?;
        // Nothing is left under the temporary name.
        let _ = self.0.keep();
        Ok(())
    }
}
