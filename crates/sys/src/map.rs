//! Files mapped into memory, to read; where there are no maps (WebAssembly), read into it.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// What holds the bytes.
#[cfg(not(target_family = "wasm"))]
type Bytes = memmap2::Mmap;
#[cfg(target_family = "wasm")]
type Bytes = Vec<u8>;

/// A file's bytes, read by the system as they are touched.
pub struct FileMap {
    bytes: Bytes,
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
        Ok(FileMap { bytes: bytes(&file)? })
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(not(target_family = "wasm"))]
fn bytes(file: &File) -> io::Result<Bytes> {
    // SAFETY: the bytes are only read. Another process that changes the file changes them under us, which checks on
    // what was read before cannot see; checkpoints are replaced by renaming, not rewritten in place.
    unsafe { memmap2::Mmap::map(file) }
}

#[cfg(target_family = "wasm")]
fn bytes(mut file: &File) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}
