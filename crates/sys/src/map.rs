//! Files mapped into memory, to read.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// A file's bytes, read by the system as they are touched.
pub struct FileMap {
    map: memmap2::Mmap,
}

impl FileMap {
    /// Maps a whole file.
    ///
    /// # Errors
    /// The system's own, where the file cannot be opened or mapped.
    pub fn open(path: &Path) -> io::Result<FileMap> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        // SAFETY: the bytes are only read. Another process that changes the file changes them under us, which checks on
        // what was read before cannot see; checkpoints are replaced by renaming, not rewritten in place.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(FileMap { map })
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}
