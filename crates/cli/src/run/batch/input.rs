//! The file of rows: read once for its digest and its length, and once more, line by line, for the rows.

use crate::error::Error;
use crate::options::CHAT;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Error as IoError, Read, Seek};
use std::path::{Path, PathBuf};

/// The most bytes of a row.
const ROW: u64 = CHAT << 20;

/// The rows' file.
pub(super) struct Input {
    name: String,
    file: File,
    /// What its rows' paths are relative to.
    pub(super) folder: PathBuf,
    /// What tells it from others.
    pub(super) digest: String,
    /// How many rows it has: lines that are not blank.
    pub(super) rows: u64,
}

/// The number of a line, counted from 1, and its bytes.
type Line = (u64, Result<Vec<u8>, Error>);

impl Input {
    /// Opens a file; stdin, named `-`, and whatever else cannot be read twice is kept aside first.
    pub(super) fn open(name: &str) -> Result<Input, Error> {
        let shown = if name == "-" { "stdin" } else { name };
        let failed = |source| Error::File { path: shown.into(), source };
        let file = if name == "-" {
            aside(&mut std::io::stdin().lock()).map_err(failed)?
        } else {
            let mut file = File::open(name).map_err(failed)?;
            let twice = file.metadata().map_err(failed)?.is_file();
            if twice { file } else { aside(&mut file).map_err(failed)? }
        };
        let folder = if name == "-" { None } else { Path::new(name).parent() };
        let mut lines = Lines { reader: BufReader::new(Hashed { inner: &file, hash: Sha256::new() }), number: 0 };
        let mut rows = 0;
        while lines.next_row().map_err(failed)?.is_some() {
            rows += 1;
        }
        let digest = hexadecimal(lines.reader.into_inner().hash);
        let folder = folder.map(Path::to_owned).unwrap_or_default();
        Ok(Input { name: shown.into(), file, folder, digest, rows })
    }

    /// The rows behind a line, with their lines' numbers. Where the file cannot be read that is the last one.
    pub(super) fn rows_after(&mut self, last: u64) -> Result<impl Iterator<Item = Line>, Error> {
        let name = self.name.clone();
        self.file.rewind().map_err(|source| Error::File { path: name.clone(), source })?;
        let mut lines = Lines { reader: BufReader::new(&self.file), number: 0 };
        let mut ended = false;
        let rows = std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let row = lines.next_row();
            ended = !matches!(row, Ok(Some(_)));
            match row {
                Ok(Some(row)) => Some((lines.number, row.map_err(Error::Usage))),
                Ok(None) => None,
                Err(source) => Some((lines.number + 1, Err(Error::File { path: name.clone(), source }))),
            }
        });
        Ok(rows.skip_while(move |(number, _)| *number <= last))
    }
}

/// The SHA-256 of some bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new().chain_update(bytes))
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keeps a stream's bytes in a file without a name.
fn aside(stream: &mut impl Read) -> Result<File, IoError> {
    let mut file = tempfile::tempfile()?;
    std::io::copy(stream, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Hashes what passes.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, IoError> {
        let count = self.inner.read(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Lines of bounded length.
struct Lines<R> {
    reader: BufReader<R>,
    /// Of the last line.
    number: u64,
}

impl<R: Read> Lines<R> {
    /// The next line that is not blank; `Err` within says what is wrong with it.
    fn next_row(&mut self) -> Result<Option<Result<Vec<u8>, String>>, IoError> {
        loop {
            let mut line = Vec::new();
            if (&mut self.reader).take(ROW).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.len() as u64 == ROW && !line.ends_with(b"\n") && self.skip_line()? {
                return Ok(Some(Err(format!("the row has more than {CHAT} MiB"))));
            }
            let bare = if self.number == 1 { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line) } else { &line };
            let bare = bare.trim_ascii();
            if !bare.is_empty() {
                return Ok(Some(Ok(bare.to_vec())));
            }
        }
    }

    /// Reads up to the line's end; whether there was any of it.
    fn skip_line(&mut self) -> Result<bool, IoError> {
        let mut any = false;
        loop {
            let mut rest = Vec::new();
            if (&mut self.reader).take(ROW).read_until(b'\n', &mut rest)? == 0 {
                return Ok(any);
            }
            any |= rest != b"\n";
            if rest.ends_with(b"\n") {
                return Ok(any);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let mut lines = Lines { reader: BufReader::new(bytes), number: 0 };
        std::iter::from_fn(|| lines.next_row().unwrap().map(|row| (lines.number, row))).collect()
    }

    #[test]
    fn blank_lines_count_but_are_no_rows() {
        let read = rows("\u{feff}{}\n\n  \r\n{\"a\": 1} \r\nx".as_bytes());
        assert_eq!(read, [(1, Ok(b"{}".to_vec())), (4, Ok(b"{\"a\": 1}".to_vec())), (5, Ok(b"x".to_vec()))]);
        assert_eq!(rows(b""), []);
    }

    #[test]
    fn a_row_that_is_too_long_does_not_take_the_next_with_it() {
        let most = ROW as usize;
        for (len, fits) in [(most - 1, true), (most, true), (most + 1, false), (3 * most, false)] {
            let text = [vec![b'x'; len], b"\n{}\n".to_vec()].concat();
            let read = rows(&text);
            assert_eq!(read.len(), 2, "{len}");
            assert_eq!(read[0].1.is_ok(), fits, "{len}");
            assert_eq!(read[1], (2, Ok(b"{}".to_vec())));
        }
    }
}
