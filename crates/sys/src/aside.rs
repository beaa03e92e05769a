//! Files and folders that are whole or not there: filled under a temporary name, and renamed.

use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile, TempDir};

/// Writes a file aside and gives it its name, in the place of the one before.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = NewFile::begin(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// A file that is being written under a temporary name beside its own, and is gone if it is let go before it has that.
pub struct NewFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl NewFile {
    /// Begins a file that will stand at `path`.
    ///
    /// # Errors
    /// It cannot be made: `path` is a folder or has none.
    pub fn begin(path: &Path) -> Result<NewFile, Error> {
        if path.is_dir() || path.file_name().is_none() {
            return Err(Error::new(ErrorKind::IsADirectory, "a folder, or no name of a file"));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such folder"));
        }
        let mut builder = Builder::new();
        builder.prefix(PREFIX);
        // The permissions of a file made in the ordinary way, not those of a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // The kind alone: the rest names the temporary file.
        let file = builder.tempfile_in(folder).map_err(|e| Error::from(e.kind()))?;
        Ok(NewFile { path: path.to_owned(), file })
    }

    /// Brings it down to the disk and gives it its name, in the place of the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|e| e.error)?;
        Ok(())
    }

    /// The same, where nothing of that name is there.
    ///
    /// # Errors
    /// It cannot be written, or there is such a file.
    pub fn finish_new(self) -> Result<(), Error> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.path).map_err(|e| e.error)?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file.flush()
    }
}

/// What temporary names begin with.
const PREFIX: &str = ".smolvlm-";

/// The folder that a path lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A folder that is being filled under a temporary name, and is gone if it is let go before it has its own.
pub struct NewFolder(TempDir);

impl NewFolder {
    /// Begins a folder that will stand at `output`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(output: &Path) -> Result<NewFolder, Error> {
        let mut builder = Builder::new();
        builder.prefix(PREFIX);
        // As for files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        // The kind alone: the rest names the temporary folder.
        builder.tempdir_in(folder_of(output)).map(NewFolder).map_err(|e| e.kind().into())
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
