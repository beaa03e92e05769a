//! Tables: `.csv` and `.tsv` with a first row of names.

use super::{
    cell::{self, Cell, Fields},
    file::{self, Offsets},
    rows::Rows,
};
use crate::Error;
use std::path::Path;

/// A table. It remembers its names and where its rows start, nothing else.
pub(super) struct Table {
    rows: Offsets,
    names: Vec<String>,
    delimiter: u8,
}

impl Table {
    /// Opens a table by one pass over it.
    pub(super) fn open(path: &Path, delimiter: u8) -> Result<Self, Error> {
        let wrong = |what| Error::Format { path: path.display().to_string(), what };
        let mut starts = Vec::new();
        let mut place = Place::Between;
        let end = file::scan(path, |byte, at| {
            let next = place.after(byte, delimiter);
            if place == Place::Between && next != Place::Between {
                starts.push(at);
            }
            place = next;
            Ok(())
        })?;
        let rows = Offsets::new(path, starts, end);
        if rows.len() == 0 {
            return Err(wrong("the file is empty; a table with a first row of names would be right".to_owned()));
        }
        let names = rows
            .row(0)
            .and_then(|row| fields(&row, delimiter))
            .map_err(|what| wrong(format!("its first row, of names: {what}")))?;
        match names.iter().enumerate().find(|&(i, name)| names.iter().take(i).any(|earlier| earlier == name)) {
            Some((_, twice)) => Err(wrong(format!("two columns are named {twice:?}; a name for each would be right"))),
            None => Ok(Self { rows, names, delimiter }),
        }
    }

    /// The columns' names.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

impl Rows for Table {
    fn len(&self) -> usize {
        self.rows.len() - 1
    }

    /// An empty field is null.
    fn row(&self, index: usize) -> Result<Cell, String> {
        let fields = fields(&self.rows.row(index.saturating_add(1))?, self.delimiter)?;
        if fields.len() != self.names.len() {
            return Err(format!("{} fields; {}, as many as names, would be right", fields.len(), self.names.len()));
        }
        let cell = |text: String| if text.is_empty() { Cell::Null } else { Cell::Text(text) };
        Ok(Cell::Map(Fields(self.names.iter().cloned().zip(fields.into_iter().map(cell)).collect())))
    }
}

/// The fields of one row.
fn fields(row: &[u8], delimiter: u8) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(row);
    let mut records = reader.byte_records();
    let record = records.next().ok_or("no fields")?.map_err(|e| e.to_string())?;
    if records.next().is_some() {
        return Err("its quotes do not match".to_owned());
    }
    record.iter().map(|field| cell::text(field.to_owned())).collect()
}

/// Where in a table a byte stands, by RFC 4180: a quote opens at a field's start alone, and is doubled within.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Between two rows.
    Between,
    /// At the start of a field that is not its row's first.
    Start,
    Plain,
    Quoted,
    /// Behind a quote within quotes: their end, or the first half of a doubled one.
    Quote,
}

impl Place {
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Between | Self::Start | Self::Quote, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Quote,
            (Self::Quoted, _) => Self::Quoted,
            (_, b'\n' | b'\r') => Self::Between,
            (_, byte) if byte == delimiter => Self::Start,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Columns, read::open};

    fn write(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn rows_with_quotes_and_every_line_end() {
        let text = "\u{feff}a,b\r\n\r\n1,\"x\n\"\"y\"\",\"\r\n,2\r3,4 \"five\"\n\"\"\n6,\"7";
        let (_folder, path) = write("t.csv", text);
        let table = Table::open(&path, b',').unwrap();
        assert_eq!((table.names(), table.len()), (["a".to_owned(), "b".to_owned()].as_slice(), 5));
        let cell = |text: &str| if text.is_empty() { Cell::Null } else { Cell::Text(text.to_owned()) };
        let row = |a, b| Ok(Cell::Map(Fields(vec![("a".to_owned(), cell(a)), ("b".to_owned(), cell(b))])));
        assert_eq!(table.row(0), row("1", "x\n\"y\","));
        assert_eq!(table.row(1), row("", "2"));
        assert_eq!(table.row(2), row("3", "4 \"five\""));
        assert!(table.row(3).unwrap_err().contains("1 fields; 2"));
        assert_eq!(table.row(4), row("6", "7"));
        assert!(table.row(5).is_err());
    }

    #[test]
    fn questions_pictures_and_what_is_missing() {
        let (folder, path) = write("t.tsv", "index\timage\tquestion\tanswer\n0\tp/a.png\tQ\tA\n1\t\tQ\t\n");
        let source = open(&path, &Columns::default()).unwrap();
        assert_eq!(source.len(), 2);
        assert_eq!(source.read(0).unwrap().pictures, [crate::PictureFile::Path(folder.path().join("p/a.png"))]);
        assert!(source.read(1).unwrap_err().contains("nothing in it makes a sample"));
        let named = Columns { answer: Some("reply".to_owned()), ..Columns::default() };
        let pictures = Columns { image: Some("photo".to_owned()), ..Columns::default() };
        for (columns, says) in
            [(named, "`reply` is missing; its columns are index, image"), (pictures, "`photo` is missing")]
        {
            assert!(open(&path, &columns).err().unwrap().to_string().contains(says));
        }
    }

    #[test]
    fn files_of_another_kind() {
        for (text, says) in [
            ("", "the file is empty"),
            ("a,text\n", "no rows"),
            ("text,text\n1,2\n", "two columns are named \"text\""),
            ("a,b\n1,2\n", "nothing in it makes a sample"),
        ] {
            let (_folder, path) = write("t.csv", text);
            let error = open(&path, &Columns::default()).err().unwrap().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
