//! Files and folders that are whole or not there: filled under a temporary name, and renamed.

use std::io::{Error, Write};
use std::path::Path;
use tempfile::{Builder, TempDir};

/// Writes a file aside and gives it its name, in the place of the one before.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut builder = Builder::new();
    // The permissions of a file made in the ordinary way, not those of a secret.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut aside = builder.tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    aside.write_all(bytes)?;
    aside.persist(path)?;
    Ok(())
}

/// A folder that is being filled under a temporary name, and is gone if it is let go before it has its own.
pub struct NewFolder(TempDir);

impl NewFolder {
    /// Begins a folder that will stand at `output`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(output: &Path) -> Result<NewFolder, Error> {
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        builder.prefix(".smolvlm-");
        // As for files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        // The kind alone: the rest names the temporary folder.
        builder.tempdir_in(parent).map(NewFolder).map_err(|e| e.kind().into())
    }

    /// Where it is filled.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn finish(self, output: &Path) -> Result<(), Error> {
        std::fs::rename(self.path(), output)?;
        // Nothing is left under the temporary name.
        let _ = self.0.keep();
        Ok(())
    }
}
