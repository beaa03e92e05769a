//! The file of answers while it grows: under its name with `.part` behind it, and what belongs to it in its first line. A
//! call that was stopped or killed goes on with it.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smolvlm_sys::{Stopwatch, aside};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Error as IoError, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// So often, in seconds, answers are brought down to the disk.
const SYNC: f64 = 5.0;

/// What answers belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// The digest of the rows.
    pub(super) input: String,
    /// That of all settings.
    pub(super) settings: String,
    /// The model's name, and its adapters'.
    pub(super) model: String,
}

impl Header {
    /// What of a call differs from the one that this was written by.
    fn other(&self, now: &Header) -> Option<&'static str> {
        if self.input != now.input {
            Some("rows")
        } else if self.model != now.model {
            Some("model")
        } else if self.settings != now.settings {
            Some("settings")
        } else {
            None
        }
    }
}

/// What is read back of an answer.
#[derive(Deserialize)]
struct Answered {
    row: u64,
    error: Option<serde::de::IgnoredAny>,
}

/// Answers so far.
pub(super) struct Part {
    output: PathBuf,
    path: PathBuf,
    file: File,
    /// Where the answers begin.
    body: u64,
    /// Rows that have one.
    pub(super) rows: u64,
    /// Of which are errors.
    pub(super) failed: u64,
    /// The number of the last row.
    pub(super) last: u64,
    synced: Stopwatch,
}

fn failed(path: &Path) -> impl Fn(IoError) -> Error {
    move |source| Error::File { path: path.display().to_string(), source }
}

impl Part {
    /// Opens or begins the file beside `output`. A line that was cut off is dropped.
    ///
    /// # Errors
    /// It cannot be written, belongs to another call, is damaged, or another process writes it.
    pub(super) fn open(output: &Path, header: &Header, restart: bool) -> Result<Part, Error> {
        if output.file_name().is_none() {
            return Error::usage(format!("-o {}: a file's name would be right", output.display()));
        }
        let mut path = output.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed(&path))?;
        if file.try_lock().is_err() {
            return Error::usage(format!("{}: another process writes it", path.display()));
        }
        let mut part = Part {
            output: output.to_owned(),
            path,
            file,
            body: 0,
            rows: 0,
            failed: 0,
            last: 0,
            synced: Stopwatch::start(),
        };
        let end = if restart { 0 } else { part.read(header)? };
        part.cut(end).map_err(failed(&part.path))?;
        if end == 0 {
            let line = serde_json::to_string(header).unwrap_or_default() + "\n";
            part.file.write_all(line.as_bytes()).map_err(failed(&part.path))?;
            part.body = line.len() as u64;
        }
        Ok(part)
    }

    /// Reads what is there; where its last whole line ends.
    fn read(&mut self, header: &Header) -> Result<u64, Error> {
        let failed = failed(&self.path);
        let mut reader = BufReader::new(&self.file);
        let (mut line, mut end) = (Vec::new(), 0);
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(&failed)?;
            if !line.ends_with(b"\n") {
                return Ok(end);
            }
            if end == 0 {
                self.check(&line, header)?;
                self.body = line.len() as u64;
            } else {
                match serde_json::from_slice::<Answered>(&line) {
                    Ok(answered) if answered.row > self.last => {
                        self.rows += 1;
                        self.failed += u64::from(answered.error.is_some());
                        self.last = answered.row;
                    }
                    // Of a system that went down the last line may be anything.
                    _ if reader.fill_buf().map_err(&failed)?.is_empty() => return Ok(end),
                    _ => return Error::usage(self.refusal(&format!("line {} is damaged", self.rows + 2))),
                }
            }
            end += line.len() as u64;
        }
    }

    fn check(&self, line: &[u8], header: &Header) -> Result<(), Error> {
        let Ok(before) = serde_json::from_slice::<Header>(line) else {
            return Error::usage(self.refusal("it is no file of answers"));
        };
        match before.other(header) {
            None => Ok(()),
            Some(what) => Error::usage(self.refusal(&format!("it has answers of a call with other {what}"))),
        }
    }

    fn refusal(&self, why: &str) -> String {
        format!(
            "{}: {why}; the same call goes on with it, --restart begins anew, another -o leaves it",
            self.path.display()
        )
    }

    fn cut(&mut self, end: u64) -> Result<(), IoError> {
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        Ok(())
    }

    /// Adds an answer, or the error in its place.
    pub(super) fn add(&mut self, line: &Value, is_error: bool) -> Result<(), Error> {
        // One write a line: what is killed between two leaves whole lines.
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(failed(&self.path))?;
        self.rows += 1;
        self.failed += u64::from(is_error);
        if self.synced.seconds() >= SYNC {
            self.sync()?;
        }
        Ok(())
    }

    /// Brings the answers down to the disk.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.file.sync_data().map_err(failed(&self.path))?;
        self.synced = Stopwatch::start();
        Ok(())
    }

    /// Gives the answers their name, without the first line.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let mut whole = || {
            self.file.seek(SeekFrom::Start(self.body))?;
            let mut new = aside::NewFile::begin(&self.output)?;
            std::io::copy(&mut self.file, &mut new)?;
            new.finish_new()
        };
        whole().map_err(failed(&self.output))?;
        std::fs::remove_file(&self.path).map_err(failed(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn header() -> Header {
        Header { input: "a".into(), settings: "b".into(), model: "c".into() }
    }

    fn refused(output: &Path, header: &Header) -> String {
        Part::open(output, header, false).err().unwrap().to_string()
    }

    #[test]
    fn what_was_cut_off_is_dropped_and_the_rest_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let (output, path) = (dir.path().join("answers.jsonl"), dir.path().join("answers.jsonl.part"));
        let mut part = Part::open(&output, &header(), false).unwrap();
        part.add(&json!({"row": 1, "text": "x"}), false).unwrap();
        part.add(&json!({"row": 3, "error": "y"}), true).unwrap();
        assert!(refused(&output, &header()).contains("another process writes it"));
        drop(part);
        let whole = std::fs::read(&path).unwrap();
        for torn in [&b""[..], b"{\"row\": 4, \"te", b"\0\0\0\0", b"\0\0\n"] {
            std::fs::write(&path, [&whole, torn].concat()).unwrap();
            let part = Part::open(&output, &header(), false).unwrap();
            assert_eq!((part.rows, part.failed, part.last), (2, 1, 3));
            drop(part);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
        let mut part = Part::open(&output, &header(), false).unwrap();
        part.add(&json!({"row": 4}), false).unwrap();
        part.finish().unwrap();
        let lines = std::fs::read_to_string(&output).unwrap();
        assert_eq!(lines, "{\"row\":1,\"text\":\"x\"}\n{\"row\":3,\"error\":\"y\"}\n{\"row\":4}\n");
        assert!(!path.exists());
    }

    #[test]
    fn a_first_line_that_was_cut_off_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (output, path) = (dir.path().join("answers.jsonl"), dir.path().join("answers.jsonl.part"));
        std::fs::write(&path, "{\"inp").unwrap();
        let part = Part::open(&output, &header(), false).unwrap();
        assert_eq!((part.rows, part.last), (0, 0));
        drop(part);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn other_calls_and_damage_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (output, path) = (dir.path().join("answers.jsonl"), dir.path().join("answers.jsonl.part"));
        drop(Part::open(&output, &header(), false).unwrap());
        for (other, what) in [
            (Header { input: "x".into(), ..header() }, "other rows"),
            (Header { settings: "x".into(), ..header() }, "other settings"),
            (Header { model: "x".into(), ..header() }, "other model"),
        ] {
            assert!(refused(&output, &other).contains(what));
        }
        let first = std::fs::read_to_string(&path).unwrap();
        for lines in ["{\"row\":2}\nhm\n{\"row\":3}\n", "{\"row\":2}\n{\"row\":2}\n{\"row\":3}\n"] {
            std::fs::write(&path, format!("{first}{lines}")).unwrap();
            assert!(refused(&output, &header()).contains("line 3 is damaged"));
        }
        assert_eq!(Part::open(&output, &header(), true).unwrap().rows, 0);
        std::fs::write(&path, "a diary\n").unwrap();
        assert!(refused(&output, &header()).contains("no file of answers"));
    }
}
