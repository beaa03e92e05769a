//! Files and folders that are whole or not there: filled under a temporary name, and renamed.

use std::fs::File;
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
/// Where a link leads to a file, that one is replaced, not the link; what is there and is no file (a device, a pipe) is
/// written to as it is.
pub struct NewFile {
    path: PathBuf,
    to: To,
}

/// Where bytes go.
enum To {
    Aside(NamedTempFile),
    /// A device, or a pipe.
    Straight(File),
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
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let device = File::options().write(true).open(path)?;
            return Ok(NewFile { path: path.to_owned(), to: To::Straight(device) });
        }
        let path = &target_of(path)?;
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
        Ok(NewFile { path: path.to_owned(), to: To::Aside(file) })
    }

    /// Brings it down to the disk and gives it its name, in the place of the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        if let To::Aside(file) = self.to {
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|e| e.error)?;
        }
        Ok(())
    }

    /// The same, where nothing of that name is there.
    ///
    /// # Errors
    /// It cannot be written, or there is such a file.
    pub fn finish_new(self) -> Result<(), Error> {
        let To::Aside(file) = self.to else { return Err(ErrorKind::AlreadyExists.into()) };
        file.as_file().sync_all()?;
        file.persist_noclobber(&self.path).map_err(|e| e.error)?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match &mut self.to {
            To::Aside(file) => file.write(bytes),
            To::Straight(device) => device.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        match &mut self.to {
            To::Aside(file) => file.flush(),
            To::Straight(device) => device.flush(),
        }
    }
}

/// What temporary names begin with.
const PREFIX: &str = ".smolvlm-";

/// What a path leads to, link by link; where the last link leads to nothing yet, that.
fn target_of(path: &Path) -> Result<PathBuf, Error> {
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST {
        match std::fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(Error::other("too many links"))
}

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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, symlink};

    #[test]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("real", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        replace(&at("second"), b"one").unwrap();
        assert_eq!(std::fs::read(at("real")).unwrap(), b"one", "a link to nothing yet");
        replace(&at("link"), b"two").unwrap();
        assert_eq!(std::fs::read(at("real")).unwrap(), b"two");
        assert!(at("link").is_symlink() && at("second").is_symlink());
        symlink("round", at("round")).unwrap();
        assert!(replace(&at("round"), b"x").is_err());
        let null = Path::new("/dev/null");
        symlink(null, at("null")).unwrap();
        for path in [null, &at("null")] {
            replace(path, b"gone").unwrap();
            assert!(NewFile::begin(path).unwrap().finish_new().is_err());
        }
        assert!(null.metadata().unwrap().file_type().is_char_device() && at("null").is_symlink());
        #[cfg(target_os = "linux")]
        assert!(replace(Path::new("/dev/full"), b"x").is_err(), "a device's errors are told");
    }
}
