//! Files and folders that are whole or not there.

use crate::Error;
use smolvlm_sys::aside;
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
    aside::replace(path, bytes).map_err(|source| Error::file(path, source))
}

/// A folder that is being filled under a temporary name, and is gone if it is let go before it has its own.
pub(crate) struct NewFolder(aside::NewFolder);

impl NewFolder {
    /// Begins a folder that will stand at `output`.
    pub(crate) fn begin(output: &Path) -> Result<NewFolder, Error> {
        aside::NewFolder::begin(output).map(NewFolder).map_err(|source| Error::file(output, source))
    }

    /// Where it is filled.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it its name.
    pub(crate) fn finish(self, output: &Path) -> Result<(), Error> {
        self.0.finish(output).map_err(|source| Error::file(output, source))
    }
}
