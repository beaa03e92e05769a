//! Files mapped into memory, to read; where there are no maps (WebAssembly), read into it. What the program carries is
//! in memory already.

use crate::cut::Listed;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

/// What holds a file's bytes.
#[cfg(not(target_family = "wasm"))]
type Mapped = memmap2::Mmap;
#[cfg(target_family = "wasm")]
type Mapped = Vec<u8>;

/// What holds the bytes.
enum Bytes {
    /// A file, and its place among those that are named when they fail, which is given back first.
    Mapped { _listed: Listed, bytes: Mapped },
    /// The program.
    Held(&'static [u8]),
    /// This process, which made them.
    Made(Vec<u8>),
}

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
        let bytes = mapped(&file)?;
        Ok(FileMap { bytes: Bytes::Mapped { _listed: Listed::new(&bytes, path), bytes } })
    }

    /// Bytes that the program carries.
    pub(crate) fn held(bytes: &'static [u8]) -> FileMap {
        FileMap { bytes: Bytes::Held(bytes) }
    }

    /// Bytes that this process made.
    pub(crate) fn made(bytes: Vec<u8>) -> FileMap {
        FileMap { bytes: Bytes::Made(bytes) }
    }

    /// Says that these bytes are not wanted for now: their memory may be given back. They can be read again later.
    pub fn let_go(&self, range: std::ops::Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Bytes::Mapped { bytes, .. } = &self.bytes {
            /// No page of any machine is larger than this, so that such a boundary is a page's everywhere.
            const PAGE: usize = 64 << 10;
            let (start, end) = (range.start.next_multiple_of(PAGE), range.end.min(bytes.len()) / PAGE * PAGE);
            if start < end {
                // SAFETY: whole pages inside a map that is only read: dropped pages are read from the file again. A
                // refusal costs memory alone.
                unsafe {
                    libc::madvise(bytes.as_ptr().add(start).cast_mut().cast(), end - start, libc::MADV_DONTNEED);
                }
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { bytes, .. } => bytes,
            Bytes::Held(bytes) => bytes,
            Bytes::Made(bytes) => bytes,
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn mapped(file: &File) -> io::Result<Mapped> {
    // SAFETY: the bytes are only read. Another process that changes the file changes them under us, which checks on
    // what was read before cannot see; checkpoints are replaced by renaming, not rewritten in place. One that is cut short
    // ends the program (`cut.rs`).
    let mapped = unsafe { memmap2::Mmap::map(file) };
    mapped.map_err(|error| match (error.kind(), file.metadata()) {
        (io::ErrorKind::OutOfMemory, Ok(data)) => {
            let what =
                format!("its {} bytes do not fit in what this process may have of addresses (ulimit -v)", data.len());
            io::Error::new(io::ErrorKind::OutOfMemory, what)
        }
        _ => error,
    })
}

#[cfg(target_family = "wasm")]
fn mapped(mut file: &File) -> io::Result<Mapped> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_let_go_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("smolvlm-map-{}", std::process::id()));
        let bytes: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let map = FileMap::open(&path).unwrap();
        assert!(*map == bytes[..]);
        for range in [10..250_000, 0..300_000, 5..6, 299_999..400_000] {
            map.let_go(range);
            assert!(*map == bytes[..]);
        }
        std::fs::remove_file(&path).unwrap();
    }
}
