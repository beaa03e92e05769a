//! Parquet, with pictures within, as the Hugging Face hub keeps them.

use super::{failed, files};
use crate::Error;
use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{ByteArray, ByteArrayType},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use smolvlm_synth::Sample;
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows that are written together: readers hold as many.
const GROUP: usize = 128;

const SCHEMA: &str = "
message rows {
  required group messages (LIST) {
    repeated group list {
      required group element { required binary role (STRING); required binary content (STRING); }
    }
  }
  required group images (LIST) {
    repeated group list {
      required group element { required binary bytes; required binary path (STRING); }
    }
  }
  required group videos (LIST) {
    repeated group list {
      required group element { required binary bytes; required binary path (STRING); }
    }
  }
  required group skill (LIST) {
    repeated group list { required binary element (STRING); }
  }
  required group also (LIST) {
    repeated group list {
      required group element (LIST) {
        repeated group list { required binary element (STRING); }
      }
    }
  }
}";

/// The rows so far; those that no group has yet are kept.
pub(super) struct Parquet {
    path: PathBuf,
    file: SerializedFileWriter<File>,
    group: Vec<Sample>,
    rows: usize,
}

impl Parquet {
    pub(super) fn begin(folder: &Path) -> Result<Parquet, Error> {
        let path = folder.join("data.parquet");
        let file = File::create(&path).map_err(|source| failed(&path, source))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .build();
        let schema = parse_message_type(SCHEMA).map_err(|e| wrong(&path, &e))?;
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        let file = file.map_err(|e| wrong(&path, &e))?;
        Ok(Parquet { path, file, group: Vec::new(), rows: 0 })
    }

    pub(super) fn push(&mut self, sample: &Sample) -> Result<(), Error> {
        self.group.push(sample.clone());
        if self.group.len() == GROUP { self.write() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.write()?;
        self.file.close().map(|_| ()).map_err(|e| wrong(&self.path, &e))
    }

    /// Writes the rows that are kept as a group.
    fn write(&mut self) -> Result<(), Error> {
        let columns = columns(&self.group, self.rows)?;
        self.rows += self.group.len();
        self.group.clear();
        let written = self.file.next_row_group().and_then(|mut group| {
            columns.iter().try_for_each(|column| column.write(&mut group))?;
            group.close().map(|_| ())
        });
        written.map_err(|e| wrong(&self.path, &e))
    }
}

fn wrong(path: &Path, error: &ParquetError) -> Error {
    Error::Format { path: path.display().to_string(), what: error.to_string() }
}

/// A column of texts in lists, or in lists of lists: the values with how deep each is there (`defined`) and in which list
/// it begins anew (`repeated`), as Dremel has it (Melnik et al. 2010).
#[derive(Default)]
struct Column {
    values: Vec<ByteArray>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Column {
    /// A row's list.
    fn list<'a>(&mut self, values: impl IntoIterator<Item = &'a [u8]>) {
        let before = self.defined.len();
        for value in values {
            self.values.push(ByteArray::from(value.to_vec()));
            self.defined.push(1);
            self.repeated.push(i16::from(self.repeated.len() > before));
        }
        if self.defined.len() == before {
            self.defined.push(0);
            self.repeated.push(0);
        }
    }

    /// A row's list of lists.
    fn lists(&mut self, lists: &[&Vec<String>]) {
        let before = self.defined.len();
        for list in lists {
            let first = self.defined.len();
            for value in *list {
                self.values.push(ByteArray::from(value.as_bytes().to_vec()));
                self.defined.push(2);
                let at = self.repeated.len();
                self.repeated.push(if at > first { 2 } else { i16::from(at > before) });
            }
            if list.is_empty() {
                self.defined.push(1);
                self.repeated.push(i16::from(first > before));
            }
        }
        if lists.is_empty() {
            self.defined.push(0);
            self.repeated.push(0);
        }
    }

    fn write(&self, group: &mut SerializedRowGroupWriter<File>) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else { return Ok(()) };
        column.typed::<ByteArrayType>().write_batch(&self.values, Some(&self.defined), Some(&self.repeated))?;
        column.close()
    }
}

/// The columns of some rows, in the order of [`SCHEMA`].
fn columns(samples: &[Sample], first: usize) -> Result<[Column; 8], Error> {
    let [mut role, mut content, mut skill, mut also] = [(); 4].map(|()| Column::default());
    let [mut images, mut videos] = [(); 2].map(|()| [Column::default(), Column::default()]);
    for (row, sample) in (first..).zip(samples) {
        role.list(sample.turns.iter().flat_map(|_| [b"user".as_slice(), b"assistant"]));
        content.list(sample.turns.iter().flat_map(|turn| [turn.question.as_bytes(), turn.answer.as_bytes()]));
        let shown = files(sample)?;
        let names: Vec<String> = (1..=shown.len()).map(|at| format!("{row:06}-{at}.png")).collect();
        for (kind, is_clip) in [(&mut images, false), (&mut videos, true)] {
            let ours = if sample.fps.is_some() == is_clip { shown.len() } else { 0 };
            let [bytes, path] = kind;
            bytes.list(shown.iter().take(ours).map(Vec::as_slice));
            path.list(names.iter().take(ours).map(|name| name.as_bytes()));
        }
        skill.list(sample.turns.iter().map(|turn| turn.skill.as_bytes()));
        also.lists(&sample.turns.iter().map(|turn| &turn.also).collect::<Vec<_>>());
    }
    let ([image, image_name], [video, video_name]) = (images, videos);
    Ok([role, content, image, image_name, video, video_name, skill, also])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_lists_are_as_dremel_has_them() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut column = Column::default();
        column.lists(&[&text(&["a", "b"]), &text(&[]), &text(&["c"])]);
        column.lists(&[]);
        column.lists(&[&text(&[]), &text(&["d"])]);
        assert_eq!(column.defined, [2, 2, 1, 2, 0, 1, 2]);
        assert_eq!(column.repeated, [0, 2, 1, 1, 0, 0, 1]);
        assert_eq!(column.values.len(), 4);
    }
}
