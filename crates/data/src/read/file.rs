//! Where the rows of a text file are, and reading one of them.

use crate::Error;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The longest row, in bytes.
pub(crate) const MAX_ROW: u64 = 64 << 20;

/// Where each row of a file starts: 8 bytes of memory a row. A row ends where the next one starts, so it may have
/// separators and blanks behind it.
#[derive(Debug)]
pub(super) struct Offsets {
    path: PathBuf,
    starts: Vec<u64>,
    end: u64,
}

impl Offsets {
    pub(super) fn new(path: &Path, starts: Vec<u64>, end: u64) -> Self {
        Self { path: path.to_owned(), starts, end }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The bytes of the row `index`. The file is opened for each row, so that threads need not wait for each other.
    pub(super) fn row(&self, index: usize) -> Result<Vec<u8>, String> {
        let start = *self.starts.get(index).ok_or_else(|| format!("there is no row {index}: {} rows", self.len()))?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.end);
        let bytes = end.saturating_sub(start);
        if bytes > MAX_ROW {
            return Err(format!("{bytes} bytes long; at most {MAX_ROW} are read"));
        }
        File::open(&self.path).and_then(|mut file| read_at(&mut file, start, bytes)).map_err(|e| e.to_string())
    }
}

/// Reads `bytes` bytes from `start`; fewer are an error. The caller bounds `bytes`.
pub(super) fn read_at(file: &mut File, start: u64, bytes: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut buffer = Vec::new();
    file.take(bytes).read_to_end(&mut buffer)?;
    if u64::try_from(buffer.len()).ok() != Some(bytes) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before the row does; was it changed?"));
    }
    Ok(buffer)
}

/// Opens a file for one pass, behind its byte order mark if it has one; also the offset of the first byte.
pub(super) fn open(path: &Path) -> Result<(BufReader<File>, u64), Error> {
    let wrong = |source| Error::Read { path: path.display().to_string(), source };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(wrong)?);
    let mark = reader.fill_buf().map_err(wrong)?.starts_with(b"\xef\xbb\xbf");
    if mark {
        reader.consume(3);
    }
    Ok((reader, if mark { 3 } else { 0 }))
}

/// Gives every byte of a file with its offset to `step`, until it breaks off with an error; returns the file's end.
pub(super) fn scan(path: &Path, mut step: impl FnMut(u8, u64) -> Result<(), String>) -> Result<u64, Error> {
    let (mut reader, mut at) = open(path)?;
    loop {
        let buffer = reader.fill_buf().map_err(|source| Error::Read { path: path.display().to_string(), source })?;
        if buffer.is_empty() {
            return Ok(at);
        }
        for &byte in buffer {
            step(byte, at).map_err(|what| Error::Format { path: path.display().to_string(), what })?;
            at += 1;
        }
        let read = buffer.len();
        reader.consume(read);
    }
}
