//! Parquet: one file, or the shards of a folder.
//!
//! A file's footer is read once; of a row, only the columns that can make a sample are. Pages are skipped by their
//! headers where the file allows it: always for flat columns, for lists where the file has page indexes or pages of
//! version 2. Otherwise a row costs decoding its row group's pages up to its own, so rows that are read in order are
//! cheapest: [`KEPT`] places in the files are remembered, and the next row goes on from one of them.
//!
//! Memory: a page of every column read, decoded, for each place remembered and for each row being read. Writers
//! aim at pages of 1 MiB, but some of them put a row group's pictures in one.

use super::{
    cell::{Cell, Fields},
    choices::{CHOICES, SUBTITLES},
    columns::{self, Leaf, Node, Values},
    layout::{ANSWER, CHAT, CLIP, IMAGE, QUESTION, SYSTEM, TURNS, layout},
    pages::Pages,
    references::{ALSO, SKILL},
    rows::Rows,
};
use crate::{Columns, Error};
use parquet::{
    basic::Compression,
    column::reader::{ColumnReader, get_column_reader},
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        serialized_reader::SerializedPageReader,
    },
};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many places in the files are remembered.
const KEPT: usize = 4;

/// The files, and where reading could go on.
pub(super) struct Parquet {
    files: Vec<Shard>,
    /// Of every row group that has rows, in order: its first row, its file, its index in the file.
    groups: Vec<(u64, usize, usize)>,
    rows: u64,
    kept: Mutex<Vec<Cursor>>,
}

/// One file.
struct Shard {
    path: PathBuf,
    meta: ParquetMetaData,
    columns: columns::Columns,
}

/// Of the columns that there are, those that are read; or what is missing.
pub(super) type Choose<'a> = &'a dyn Fn(&[&str]) -> Result<Vec<String>, String>;

/// The columns that can make a sample.
///
/// # Errors
/// None can, or one that was given is missing.
pub(super) fn of_samples(names: &[&str], columns: &Columns) -> Result<Vec<String>, String> {
    let has = |name: &str| names.contains(&name);
    layout(&has, columns)?;
    let given = [&columns.image, &columns.video, &columns.question, &columns.answer, &columns.system, &columns.skill];
    let given: Vec<&str> = given.into_iter().flatten().map(String::as_str).collect();
    if let Some(name) = given.iter().find(|name| !has(name)) {
        return Err(format!("`{name}` is missing"));
    }
    let read = |name: &&&str| {
        given.contains(*name)
            || IMAGE.contains(*name)
            || CLIP.contains(*name)
            || CHOICES.contains(*name)
            || QUESTION.contains(*name)
            || ANSWER.contains(*name)
            || CHAT.contains(*name)
            || [TURNS, SYSTEM, SKILL, ALSO, SUBTITLES].contains(*name)
    };
    Ok(names.iter().filter(read).map(|name| (*name).to_owned()).collect())
}

/// A place in a row group.
struct Cursor {
    /// The index in [`Parquet::groups`].
    group: usize,
    /// The row of the group that comes next.
    next: u64,
    readers: Vec<ColumnReader>,
}

impl Parquet {
    /// Opens the files, whose rows follow each other. Of each file's columns those are read that `choose` names.
    pub(super) fn open(paths: Vec<PathBuf>, choose: Choose<'_>) -> Result<Self, Error> {
        let mut parquet = Self { files: Vec::new(), groups: Vec::new(), rows: 0, kept: Mutex::default() };
        for path in paths {
            let shard = Shard::open(&path, choose)?;
            for (index, group) in shard.meta.row_groups().iter().enumerate().filter(|(_, group)| group.num_rows() > 0) {
                parquet.groups.push((parquet.rows, parquet.files.len(), index));
                parquet.rows = parquet.rows.saturating_add(group.num_rows().unsigned_abs());
            }
            parquet.files.push(shard);
        }
        Ok(parquet)
    }

    /// Takes the kept place that is nearest before the row, or opens the row group.
    fn cursor(&self, group: usize, row: u64) -> Result<Cursor, String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.iter().enumerate().filter(|(_, cursor)| cursor.group == group && cursor.next <= row);
        match before.max_by_key(|(_, cursor)| cursor.next).map(|(index, _)| index) {
            Some(index) => Ok(kept.remove(index)),
            None => {
                drop(kept);
                let &(_, file, index) = self.groups.get(group).ok_or("there is no such row group")?;
                let shard = self.files.get(file).ok_or("there is no such file")?;
                Ok(Cursor { group, next: 0, readers: shard.readers(index)? })
            }
        }
    }

    fn keep(&self, cursor: Cursor) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(cursor);
    }
}

impl Rows for Parquet {
    fn len(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    fn row(&self, index: usize) -> Result<Cell, String> {
        let index = index as u64;
        let none = || format!("there is no row {index}: {} rows", self.rows);
        let group = self.groups.partition_point(|&(first, ..)| first <= index).checked_sub(1).ok_or_else(none)?;
        let &(first, file, _) = self.groups.get(group).filter(|_| index < self.rows).ok_or_else(none)?;
        let shard = self.files.get(file).ok_or_else(none)?;
        let row = index - first;
        let (cursor, fields) = guarded(|| shard.row(self.cursor(group, row)?, row))?;
        self.keep(cursor);
        Ok(Cell::Map(fields))
    }
}

impl Shard {
    fn open(path: &Path, choose: Choose<'_>) -> Result<Self, Error> {
        let wrong = |what| Error::Format { path: path.display().to_string(), what };
        let unread = |source| Error::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(unread)?;
        let bytes = file.metadata().map_err(unread)?.len();
        let reader = ParquetMetaDataReader::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let meta = guarded(|| reader.parse_and_finish(&file).map_err(|e| e.to_string()))
            .map_err(|what| wrong(format!("no Parquet file that can be read: {what}")))?;
        counts(&meta, bytes).map_err(wrong)?;
        let root = meta.file_metadata().schema_descr();
        let names: Vec<&str> = root.root_schema().get_fields().iter().map(|field| field.name()).collect();
        let chosen = choose(&names).map_err(|what| wrong(format!("{what}; its columns are {}", names.join(", "))))?;
        let read = |name: &str| chosen.iter().any(|chosen| chosen == name);
        let columns = Node::columns(root, &read).map_err(wrong)?;
        compressions(&meta, &columns).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), meta, columns })
    }

    /// A row of the row group in which the cursor is, not before it; also the cursor behind that row.
    fn row(&self, mut cursor: Cursor, row: u64) -> Result<(Cursor, Fields), String> {
        let skip =
            row.checked_sub(cursor.next).and_then(|skip| usize::try_from(skip).ok()).ok_or("the row lies behind")?;
        let columns = &self.columns;
        let values =
            cursor.readers.iter_mut().zip(&columns.leaves).map(|(reader, leaf)| Values::read(reader, leaf, skip));
        let mut values = values.collect::<Result<Vec<_>, _>>()?;
        cursor.next = row + 1;
        let fields = columns.fields.iter().map(|(name, node)| Ok((name.clone(), node.assemble(&mut values)?)));
        Ok((cursor, Fields(fields.collect::<Result<_, String>>()?)))
    }

    /// Readers of the columns of a row group. The file is opened anew, as a place in it is shared by whoever reads it.
    fn readers(&self, group: usize) -> Result<Vec<ColumnReader>, String> {
        let file = Arc::new(File::open(&self.path).map_err(|e| e.to_string())?);
        let meta = self.meta.row_groups().get(group).ok_or("there is no such row group")?;
        let rows = usize::try_from(meta.num_rows()).map_err(|e| e.to_string())?;
        let index = self.meta.page_index_for_row_group(group);
        let reader = |leaf: &Leaf| {
            let chunk = meta.columns().get(leaf.column).ok_or("there is no such column")?;
            let repeated = chunk.column_descr().max_rep_level();
            let pages = index.page_locations(leaf.column).cloned();
            let pages = SerializedPageReader::new(Arc::clone(&file), chunk, rows, pages).map_err(|e| e.to_string())?;
            Ok(get_column_reader(chunk.column_descr_ptr(), Box::new(Pages { pages: Box::new(pages), repeated })))
        };
        self.columns.leaves.iter().map(reader).collect()
    }
}

/// Does what calls into `parquet`, which panics at some damaged pages. Whatever was being read is dropped then.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("its pages are damaged".to_owned()))
}

/// That the columns are compressed in ways that can be read.
fn compressions(meta: &ParquetMetaData, columns: &columns::Columns) -> Result<(), String> {
    for chunk in
        meta.row_groups().iter().flat_map(|group| columns.leaves.iter().map(|leaf| group.columns().get(leaf.column)))
    {
        match chunk.map(|chunk| chunk.compression()) {
            Some(other @ (Compression::BROTLI(_) | Compression::LZO)) => {
                return Err(format!("compressed with {other}; Snappy, Zstandard, gzip, LZ4 or none would be right"));
            }
            Some(_) => {}
            None => return Err("a row group has fewer columns than the schema".to_owned()),
        }
    }
    Ok(())
}

/// That a footer's counts agree with each other and with the file's size.
fn counts(meta: &ParquetMetaData, bytes: u64) -> Result<(), String> {
    let mut sum = 0i64;
    for (index, group) in meta.row_groups().iter().enumerate() {
        let rows = group.num_rows();
        if rows < 0 {
            return Err(format!("row group {index} has {rows} rows"));
        }
        sum = sum.checked_add(rows).ok_or("its row groups have more rows than can be counted")?;
        for chunk in group.columns() {
            let name = chunk.column_path();
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
            if start < 0 || chunk.compressed_size() < 0 || end.is_none_or(|end| end > bytes) {
                return Err(format!("row group {index} places {name} beyond the file's {bytes} bytes; is it whole?"));
            }
            let values = chunk.num_values();
            let fit = if chunk.column_descr().max_rep_level() == 0 { values == rows } else { values >= rows };
            if !fit {
                return Err(format!("row group {index} has {rows} rows, but {values} values of {name}"));
            }
        }
    }
    let rows = meta.file_metadata().num_rows();
    if rows == sum { Ok(()) } else { Err(format!("its footer counts {rows} rows, its row groups {sum}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, PictureFile, Sample, read::open};
    use smolvlm_processor::{Message, Part};

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
    }

    fn pictures(numbers: &[usize]) -> Vec<PictureFile> {
        let bytes = |n: &usize| [b"\xff\xd8".as_slice(), format!("picture {n}").as_bytes()].concat();
        numbers.iter().map(|n| PictureFile::Bytes(bytes(n))).collect()
    }

    fn chat(sample: &Sample) -> &[Message] {
        let Content::Chat(messages) = &sample.content else { panic!("a document") };
        messages
    }

    fn asked(n: usize) -> Sample {
        let messages =
            vec![Message::user(1, &format!("question {n}?")), Message::text("assistant", &format!("answer {n}"))];
        Sample { content: Content::Chat(messages), pictures: pictures(&[n]), clips: Vec::new() }
    }

    #[test]
    fn flat_columns_in_any_order() {
        let source = open(&data("vqav2.parquet"), &Columns::default()).unwrap();
        assert_eq!(source.len(), 7);
        for row in [0, 1, 2, 3, 4, 6, 2, 0, 4, 3, 1, 6, 6] {
            assert_eq!(source.read(row), Ok(asked(row)));
        }
        // Its answer is null, so the annotators' counts; `b` twice.
        assert_eq!(chat(&source.read(5).unwrap())[1], Message::text("assistant", "b"));
        assert!(source.read(7).is_err());
        let (_, references) = source.read_with_references(2).unwrap();
        assert_eq!(references[0].annotators, ["a", "b", "c", "b"]);
    }

    #[test]
    fn threads_share_a_source() {
        let source = open(&data("vqav2.parquet"), &Columns::default()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let source = &source;
                scope.spawn(move || {
                    for round in 0..40 {
                        let row = (round * (thread + 1) + thread) % 5;
                        assert_eq!(source.read(row), Ok(asked(row)));
                    }
                });
            }
        });
    }

    #[test]
    fn nested_lists_with_nulls() {
        let source = open(&data("messages.parquet"), &Columns::default()).unwrap();
        assert_eq!(source.len(), 7);
        for row in [4, 0, 1, 2, 3, 4] {
            let sample = source.read(row).unwrap();
            let shown: Vec<usize> = (0..row % 3).map(|i| 10 * row + i).collect();
            assert_eq!(sample.pictures, pictures(&shown), "{row}");
            let said = [
                Message::user(row % 3, &format!("question {row}")),
                Message::text("assistant", &format!("answer {row}")),
            ];
            assert_eq!(chat(&sample), said);
        }
        assert!(source.read(5).unwrap_err().contains("nothing in it makes a sample"));
        assert!(source.read(6).unwrap_err().contains("no turn of the assistant"));
    }

    #[test]
    fn turns_with_a_page_index() {
        let source = open(&data("cauldron.parquet"), &Columns::default()).unwrap();
        for row in [2, 1, 0] {
            let sample = source.read(row).unwrap();
            assert_eq!(sample.pictures, pictures(&[row]));
            assert_eq!(chat(&sample).len(), 2 * (row + 1));
            let last = Part::Text(format!("a{row}.{row}"));
            assert_eq!(chat(&sample).last().unwrap().content, [last]);
        }
    }

    #[test]
    fn shards_columns_and_files_of_another_kind() {
        let folder = tempfile::tempdir().unwrap();
        let copy = |name: &str| std::fs::copy(data("vqav2.parquet"), folder.path().join(name)).unwrap();
        copy("train-00000-of-00002.parquet");
        copy("train-00001-of-00002.parquet");
        let open = |path: &Path, columns: &Columns| open(path, columns).map_err(|e| e.to_string());
        let source = open(folder.path(), &Columns::default()).unwrap();
        assert_eq!((source.len(), source.read(8)), (14, Ok(asked(1))));
        copy("test-00000-of-00001.parquet");
        assert!(open(folder.path(), &Columns::default()).err().unwrap().contains("several splits (test, train)"));
        assert_eq!(open(&folder.path().join("train"), &Columns::default()).unwrap().len(), 14);
        assert!(open(&folder.path().join("dev"), &Columns::default()).is_err());

        let missing = Columns { image: Some("photo".to_owned()), ..Columns::default() };
        let error = open(&data("vqav2.parquet"), &missing).err().unwrap();
        assert!(error.contains("`photo` is missing; its columns are multiple_choice_answer, question"), "{error}");
        let whole = std::fs::read(data("vqav2.parquet")).unwrap();
        let path = folder.path().join("cut.parquet");
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        assert!(open(&path, &Columns::default()).err().unwrap().contains("no Parquet file that can be read"));
        // The rows' pages are missing, the footer is whole.
        let footer = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize + 8;
        std::fs::write(&path, &whole[whole.len() - footer..]).unwrap();
        assert!(open(&path, &Columns::default()).err().unwrap().contains("is it whole?"));
    }

    #[test]
    fn changed_bytes_bring_no_panic_and_no_loop() {
        // All of them were tried; some of them are enough every time.
        const STEP: usize = 11;
        let folder = tempfile::tempdir().unwrap();
        for name in ["vqav2.parquet", "messages.parquet", "cauldron.parquet", "obelics.parquet"] {
            let whole = std::fs::read(data(name)).unwrap();
            let path = folder.path().join(name);
            for at in (0..whole.len()).step_by(STEP) {
                let mut bytes = whole.clone();
                bytes[at] ^= [0x01, 0x80, 0xff][at % 3];
                std::fs::write(&path, bytes).unwrap();
                let Ok(source) = open(&path, &Columns::default()) else { continue };
                for row in 0..source.len().min(10) {
                    let _ = source.read(row);
                }
            }
        }
    }
}
