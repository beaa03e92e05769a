//! Rows as they stand, for whoever knows their columns: benchmarks.

use super::{
    cell::{Cell, Fields},
    clip, extension, format_error, json,
    parquet::Parquet,
    picture,
    rows::Rows,
    table::Table,
};
use crate::{ClipFile, Error, PictureFile};
use std::path::{Path, PathBuf};

/// The rows of a file, or of several that follow each other, by their columns.
pub struct Records {
    rows: Box<dyn Rows>,
    folder: PathBuf,
}

/// One row.
#[derive(Debug, Clone)]
pub struct Record {
    fields: Fields,
    folder: PathBuf,
}

impl Records {
    /// Opens `.parquet` files that follow each other, or one of `.json`, `.jsonl`, `.ndjson`, `.csv` or `.tsv`. Of Parquet the
    /// `wanted` columns alone are read. Relative paths of pictures start at the first file's folder.
    ///
    /// # Errors
    /// A file cannot be read, is of another form, or has no rows; or a column of `needed` is missing, where the file says what
    /// columns it has.
    pub fn open(paths: &[PathBuf], needed: &[&str], wanted: &[&str]) -> Result<Records, Error> {
        let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
        let lacking = |names: &[&str]| needed.iter().find(|name| !names.contains(name)).map(|name| missing(name));
        let rows: Box<dyn Rows> = match (extension(first).as_str(), paths) {
            ("parquet", _) => {
                let is_wanted = |name: &str| needed.contains(&name) || wanted.contains(&name);
                Box::new(Parquet::open(paths.to_vec(), &|names| match lacking(names) {
                    Some(what) => Err(what),
                    None => Ok(names.iter().filter(|name| is_wanted(name)).map(|name| (*name).to_owned()).collect()),
                })?)
            }
            ("json", [path]) => Box::new(json::list(path)?),
            ("jsonl" | "ndjson", [path]) => Box::new(json::lines(path)?),
            (kind @ ("csv" | "tsv"), [path]) => {
                let table = Table::open(path, if kind == "csv" { b',' } else { b'\t' })?;
                let names: Vec<&str> = table.names().iter().map(String::as_str).collect();
                if let Some(what) = lacking(&names) {
                    return Err(format_error(path, format!("{what}; its columns are {}", names.join(", "))));
                }
                Box::new(table)
            }
            _ => {
                let what = ".parquet files, or one of .json, .jsonl, .csv or .tsv, would be right";
                return Err(format_error(first, what.to_owned()));
            }
        };
        match rows.len() {
            0 => Err(format_error(first, "no rows".to_owned())),
            _ => Ok(Records { rows, folder: first.parent().unwrap_or(Path::new("")).to_owned() }),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row `index`, counted from 0.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, index: usize) -> Result<Record, String> {
        match self.rows.row(index)? {
            Cell::Map(fields) => Ok(Record { fields, folder: self.folder.clone() }),
            other => Err(format!("{} found; an object of columns would be right", other.kind())),
        }
    }
}

fn missing(name: &str) -> String {
    format!("`{name}` is missing")
}

impl Record {
    /// The value of a column; null counts as absent. Parts of structs have names with a dot between.
    pub fn get(&self, name: &str) -> Option<&Cell> {
        match (self.fields.get(name), name.split_once('.')) {
            (None, Some((outer, inner))) => match self.fields.get(outer)? {
                Cell::Map(fields) => fields.get(inner),
                _ => None,
            },
            (found, _) => found,
        }
    }

    /// A text, a number as it is written, or `true` or `false`; none where the column is null or absent.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(cell) = self.get(name) else { return Ok(None) };
        let wrong = || format!("`{name}` is {}; a text or a number would be right", cell.kind());
        cell.plain().map(Some).ok_or_else(wrong)
    }

    /// The pictures of a column: one or a list; none where it is null or absent. No file is opened.
    ///
    /// # Errors
    /// It holds no picture.
    pub fn pictures(&self, name: &str) -> Result<Vec<PictureFile>, String> {
        let all = |cell: &Cell| picture::all(cell.clone(), &self.folder);
        self.get(name).map_or(Ok(Vec::new()), all).map_err(|what| format!("`{name}`: {what}"))
    }

    /// A picture in base64 that a text of a column is.
    ///
    /// # Errors
    /// It is no base64.
    pub fn base64(&self, name: &str, text: String) -> Result<PictureFile, String> {
        let bytes = Fields(vec![("bytes".to_owned(), Cell::Text(text))]);
        picture::picture(Cell::Map(bytes), &self.folder).map_err(|what| format!("`{name}`: {what}"))
    }

    /// The clip of a column; none where it is null or absent. No file is opened.
    ///
    /// # Errors
    /// It holds no clip.
    pub fn clip(&self, name: &str) -> Result<Option<ClipFile>, String> {
        let one = |cell: &Cell| clip::clip(cell.clone(), &self.folder);
        self.get(name).map(one).transpose().map_err(|what| format!("`{name}`: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_by_their_columns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.tsv");
        std::fs::write(&path, "index\timage\tA\n7\t/9j/AA==\tx\n8\t\t\"y\tz\"\n").unwrap();
        let records = Records::open(std::slice::from_ref(&path), &["index"], &["A"]).unwrap();
        let row = records.read(1).unwrap();
        assert_eq!((records.len(), row.text("A"), row.text("B")), (2, Ok(Some("y\tz".into())), Ok(None)));
        assert_eq!(row.pictures("image"), Ok(Vec::new()));
        let pictures = records.read(0).unwrap().pictures("image");
        assert_eq!(pictures, Ok(vec![PictureFile::Bytes(vec![0xff, 0xd8, 0xff, 0])]));
        let error = Records::open(&[path], &["question"], &[]).err().unwrap().to_string();
        assert!(error.contains("`question` is missing; its columns are index, image, A"), "{error}");
        let path = folder.path().join("t.jsonl");
        std::fs::write(&path, "{\"a\": {\"b\": 2}, \"c\": [1]}\n3\n").unwrap();
        let records = Records::open(&[path], &["q"], &[]).unwrap();
        let row = records.read(0).unwrap();
        assert_eq!(row.text("a.b"), Ok(Some("2".to_owned())));
        assert!(row.text("c").unwrap_err().contains("`c` is a list"));
        assert!(records.read(1).unwrap_err().contains("a number found"));
    }
}
