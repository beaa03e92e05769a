//! Rows of JSON: one list of them, or one a line.

use super::{
    cell::{self, Cell},
    file::{self, Offsets},
    rows::Rows,
};
use crate::Error;
use std::{io::BufRead, path::Path};

/// A file of JSON rows. It remembers where they start, nothing else.
pub(super) struct Json(Offsets);

impl Rows for Json {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, index: usize) -> Result<Cell, String> {
        let bytes = self.0.row(index)?;
        let row = bytes.trim_ascii();
        cell::json(row.strip_suffix(b",").unwrap_or(row))
    }
}

/// One list of rows. One pass finds where its elements start; what stands in them is read with each row.
pub(super) fn list(path: &Path) -> Result<Json, Error> {
    let mut starts = Vec::new();
    let mut list = List::default();
    file::scan(path, |byte, at| {
        if list.step(byte, at)? {
            starts.push(at);
        }
        Ok(())
    })?;
    match list.end {
        Some(end) => Ok(Json(Offsets::new(path, starts, end))),
        None => Err(Error::Format {
            path: path.display().to_string(),
            what: "the file ends before its list does; one JSON list of rows would be right".to_owned(),
        }),
    }
}

/// Follows the brackets and texts of a list.
#[derive(Default)]
struct List {
    depth: u32,
    quoted: bool,
    escaped: bool,
    /// Inside an element.
    inside: bool,
    /// Where the list's own bracket closes.
    end: Option<u64>,
}

impl List {
    /// Takes the next byte; whether an element of the list starts with it.
    fn step(&mut self, byte: u8, at: u64) -> Result<bool, String> {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return Ok(false);
        }
        if byte.is_ascii_whitespace() {
            return Ok(false);
        }
        if self.end.is_some() {
            return Err(format!("more behind the list, at byte {at}; one JSON list of rows would be right"));
        }
        if self.depth == 0 {
            return match byte {
                b'[' => {
                    self.depth = 1;
                    Ok(false)
                }
                b'{' => {
                    Err("an object found; one JSON list of rows would be right, or rows one a line in a file that \
                             ends in .jsonl"
                        .to_owned())
                }
                _ => Err(format!("no JSON list at byte {at}; one JSON list of rows would be right")),
            };
        }
        let starts = self.depth == 1 && !self.inside && !matches!(byte, b',' | b']');
        match byte {
            b'"' => self.quoted = true,
            b'[' | b'{' => self.depth = self.depth.saturating_add(1),
            b']' | b'}' => self.depth -= 1,
            b',' if self.depth == 1 => self.inside = false,
            _ => {}
        }
        if self.depth == 0 {
            self.end = Some(at);
        }
        self.inside |= starts;
        Ok(starts)
    }
}

/// Rows one a line; blank lines are none.
pub(super) fn lines(path: &Path) -> Result<Json, Error> {
    let wrong = |source| Error::Read { path: path.display().to_string(), source };
    let (mut reader, mut at) = file::open(path)?;
    let mut starts = Vec::new();
    loop {
        let buffer = reader.fill_buf().map_err(wrong)?;
        if buffer.is_empty() {
            return Ok(Json(Offsets::new(path, starts, at)));
        }
        let blank = buffer.len() - buffer.trim_ascii_start().len();
        if blank > 0 {
            reader.consume(blank);
            at += blank as u64;
        } else {
            starts.push(at);
            at += reader.skip_until(b'\n').map_err(wrong)? as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Columns, read::open};

    fn write(name: &str, text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn rows_of_a_list_and_of_lines() {
        let list =
            "\u{feff} [ {\"text\": \"a]},[\\\" é\"} ,\n[1, [2]],7 , \"x,y\"\t,{\"broken\" 1}, {\"text\": \"b\"}\n]\n";
        let (_folder, path) = write("a.json", list.as_bytes());
        let rows = super::list(&path).unwrap();
        assert_eq!(rows.len(), 6);
        let number = |n: &str| Cell::Number(n.to_owned());
        assert_eq!(rows.row(1), Ok(Cell::List(vec![number("1"), Cell::List(vec![number("2")])])));
        assert_eq!(rows.row(2), Ok(number("7")));
        assert_eq!(rows.row(3), Ok(Cell::Text("x,y".to_owned())));
        assert!(rows.row(4).unwrap_err().contains("not valid JSON"));
        assert!(
            matches!(rows.row(0), Ok(Cell::Map(fields)) if fields.get("text") == Some(&Cell::Text("a]},[\" é".into())))
        );
        assert!(rows.row(5).is_ok() && rows.row(6).is_err());

        let (_folder, path) =
            write("a.jsonl", b"\xef\xbb\xbf\n {\"text\": \"a\"}\r\n\n\n{\"text\": \"\xff\"}\n  \n[1]");
        let rows = super::lines(&path).unwrap();
        assert_eq!(rows.len(), 3);
        assert!(rows.row(0).is_ok() && rows.row(1).unwrap_err().contains("not valid JSON"));
        assert_eq!(rows.row(2), Ok(Cell::List(vec![number("1")])));
    }

    #[test]
    fn files_of_another_kind() {
        for (name, text, says) in [
            ("a.json", r#"{"text":"a"}"#, "rows one a line in a file that ends in .jsonl"),
            ("a.json", "text", "no JSON list at byte 0"),
            ("a.json", r#"[{"text":"a"}"#, "the file ends before its list does"),
            ("a.json", "[1] [2]", "more behind the list, at byte 4"),
            ("a.json", "[]", "no rows"),
            ("a.json", r#"[{"url":"a"},{"url":"b"}]"#, "its first row: nothing in it makes a sample"),
            ("a.jsonl", "", "no rows"),
            ("a.jsonl", "{\n\"text\":\n\"a\"\n}\n", "its first row: not valid JSON"),
        ] {
            let (_folder, path) = write(name, text.as_bytes());
            let error = open(&path, &Columns::default()).err().unwrap().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn one_bad_row_is_its_own_error() {
        let (folder, path) = write("a.jsonl", b"{\"url\": 1}\n{\"text\": \"a\", \"image\": \"p/a.png\"}\n");
        let source = open(&path, &Columns::default()).unwrap();
        assert!(source.read(0).is_err());
        assert_eq!(source.read(1).unwrap().pictures, [crate::PictureFile::Path(folder.path().join("p/a.png"))]);
    }

    #[test]
    fn a_row_that_is_too_long_is_refused() {
        let (_folder, path) = write("a.jsonl", b"{\"text\": \"a\"}\n");
        let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.set_len(file::MAX_ROW + 100).unwrap();
        let rows = super::lines(&path).unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows.row(0).is_ok() && rows.row(1).unwrap_err().contains("at most 67108864 are read"));
    }
}
