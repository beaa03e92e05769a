//! Readers of training data: files become samples.

mod answer;
mod cell;
mod chat;
mod choices;
mod clip;
mod columns;
mod file;
mod held;
mod interleaved;
mod json;
mod layout;
mod pages;
mod parquet;
mod picture;
mod records;
mod references;
mod rows;
mod table;
mod tar;

use crate::{
    Error, Source,
    drawn::{self, is_drawn},
};
pub use cell::{Cell, Fields};
pub(crate) use file::MAX_ROW;
use layout::layout;
pub use records::{Record, Records};
use rows::{RowSource, Rows};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What the columns of rows mean, where their names do not tell it.
///
/// Names that are `None` are looked for, of several the first that is there and not null:
/// - pictures: `image`, `images`, `file_name`, `image_path`, `image_file`;
/// - clips: `video`, `videos`, `video_path`;
/// - the question: `question`, `prompt`, `query`, `instruction`, `problem`;
/// - the answer: `answer`, `multiple_choice_answer`, `answers`, `response`, `output`, `solution`, `label`, `caption`,
///   `text`;
/// - the system message: `system`.
///
/// A question beside `choices` (or `options`), a list of texts, is asked with these behind it, by letters; its answer, which
/// names one by its words, its letter or its place counted from 0, becomes the letter. `subtitles` stand in front of it.
///
/// A row without a question is a document, whose `text` or `caption` stands behind its pictures. Before all of these go
/// `messages`, `conversations` and `texts` (The Cauldron's turns, or OBELICS' texts beside pictures), unless a question or an answer is named here. An answer that
/// is a list (VQAv2's ten `answers`) is the one that most of it agree on, of equally common ones the first. An answer
/// that is a number is its text, but not in a `label` that was only looked for: there it is a class's index.
///
/// Whoever scores answers is also told ([`Source::read_with_references`]) the skill that is asked for, of `skill`; other
/// right answers, of `also`; and all answers of such a list. The first two are one for all answers of a chat, or a list of
/// one for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The column of pictures.
    pub image: Option<String>,
    /// The column of clips.
    pub video: Option<String>,
    /// The column of questions.
    pub question: Option<String>,
    /// The column of answers; without a question, of the documents' texts.
    pub answer: Option<String>,
    /// The column of system messages, for chats that do not begin with one of their own.
    pub system: Option<String>,
    /// What every chat begins with: a text of its own in front of what the user shows and says first, such as "Answer
    /// briefly.". It is asked of what would be a document, too, which becomes a chat with the text for its answer.
    pub prompt: Option<String>,
    /// The column of skills.
    pub skill: Option<String>,
}

/// What [`open`] reads, for its messages.
const READ: &str = "readable are .json, .jsonl, .ndjson, .parquet, .csv, .tsv, .tar and .txt, and folders with one such \
                    file, of .parquet or .tar files, or of pictures with a metadata.csv, .tsv or .jsonl";

/// Opens training data, by what `path` is:
/// - `.json` (one list) and `.jsonl`, `.ndjson` (one row a line): transformers' `{"messages": […], "images": […]}`,
///   LLaVA's `{"conversations": […], "image": …}`, The Cauldron's `{"images": […], "texts": […]}`, a list of messages,
///   documents `{"text": …, "image": …}`, OBELICS' `{"images": [null, …], "texts": ["…", null]}`, and [`Columns`];
/// - `.parquet`: the same in columns, as the Hugging Face hub keeps it;
/// - `.csv`, `.tsv` with a first row of names: [`Columns`];
/// - `.tar`: WebDataset's members of one name, and m4's documents and chats of numbered members and its scans;
/// - `.txt`: one document;
/// - a folder: with one file of rows beside what it names; of `.parquet` or `.tar` shards, in the order of their names; or of pictures with a `metadata.csv`,
///   `metadata.tsv` or `metadata.jsonl`;
/// - `synth`, `synth:SKILLS`, `synth-test:SET`: what is drawn as it is read, which no columns concern ([`is_drawn`]);
/// - no file, but the start of shards' names: `data/train` for `data/train-00000-of-00002.parquet` and those beside it.
///
/// Relative paths of pictures start at the folder in which the file that names them is. Pictures are not decoded, nor
/// their files looked for. What is remembered of a file is where its rows are; of Parquet also a few pages.
///
/// # Errors
/// The file cannot be read, is of another form than its name says, has no rows, or has not one row of a known form among
/// its first sixteen (JSON) or not the columns for one (Parquet, tables). What is wrong with a single row
/// [`Source::read`] tells.
pub fn open(path: &Path, columns: &Columns) -> Result<Box<dyn Source>, Error> {
    if is_drawn(path) {
        return drawn::open(path);
    }
    if path.is_dir() {
        return folder(path, columns);
    }
    if !path.exists() {
        return match shards_of_prefix(path)? {
            shards if shards.is_empty() => {
                Err(Error::Read { path: path.display().to_string(), source: std::io::ErrorKind::NotFound.into() })
            }
            shards => sharded(path, shards, columns),
        };
    }
    match extension(path).as_str() {
        "json" => rows(path, json::list(path)?, columns)?.probe(path).map(boxed),
        "jsonl" | "ndjson" => rows(path, json::lines(path)?, columns)?.probe(path).map(boxed),
        "csv" => table(path, b',', columns),
        "tsv" => table(path, b'\t', columns),
        "txt" => rows(path, Text(path.to_owned()), columns)?.probe(path).map(boxed),
        "parquet" | "tar" => sharded(path, vec![path.to_owned()], columns),
        other => Err(format_error(path, format!("the extension {other:?} is unknown; {READ}"))),
    }
}

fn boxed<S: Source + 'static>(source: S) -> Box<dyn Source> {
    Box::new(source)
}

fn format_error(path: &Path, what: String) -> Error {
    Error::Format { path: path.display().to_string(), what }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

fn rows<R: Rows>(path: &Path, rows: R, columns: &Columns) -> Result<RowSource<R>, Error> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    match rows.len() {
        0 => Err(format_error(path, "no rows".to_owned())),
        _ => Ok(RowSource { rows, columns: columns.clone(), folder }),
    }
}

fn table(path: &Path, delimiter: u8, columns: &Columns) -> Result<Box<dyn Source>, Error> {
    let table = table::Table::open(path, delimiter)?;
    let has = |name: &str| table.names().iter().any(|found| found == name);
    let given = [&columns.image, &columns.system, &columns.skill];
    let missing = given.into_iter().flatten().find(|name| !has(name)).map(|name| format!("`{name}` is missing"));
    match missing.map_or_else(|| layout(&has, columns).map(|_| ()), Err) {
        Ok(()) => rows(path, table, columns).map(boxed),
        Err(what) => Err(format_error(path, format!("{what}; its columns are {}", table.names().join(", ")))),
    }
}

/// A folder's files, by name; hidden ones are none.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let wrong = |source| Error::Read { path: folder.display().to_string(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if !entry.file_name().to_string_lossy().starts_with('.') && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Endings of files of rows.
const ROWS: [&str; 5] = ["json", "jsonl", "ndjson", "csv", "tsv"];

fn folder(path: &Path, columns: &Columns) -> Result<Box<dyn Source>, Error> {
    let files = files(path)?;
    let metadata = |file: &&PathBuf| {
        file.file_stem().is_some_and(|stem| stem == "metadata")
            && matches!(extension(file).as_str(), "csv" | "tsv" | "jsonl")
    };
    let tables: Vec<&PathBuf> = files.iter().filter(metadata).collect();
    let shards: Vec<PathBuf> =
        files.iter().filter(|file| matches!(extension(file).as_str(), "parquet" | "tar")).cloned().collect();
    match (tables.as_slice(), shards.is_empty()) {
        ([table], true) => open(table, columns),
        ([], false) => {
            let splits: BTreeSet<String> = shards.iter().filter_map(|shard| split(shard)).collect();
            if splits.len() > 1 {
                let names = splits.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let one = path.join(splits.first().map_or("train", String::as_str));
                let what =
                    format!("it holds several splits ({names}); name the one that is meant, such as {}", one.display());
                return Err(format_error(path, what));
            }
            sharded(path, shards, columns)
        }
        ([], true) => {
            // One file of rows beside what it names, as `synth` writes it.
            let rows: Vec<&PathBuf> = files.iter().filter(|file| ROWS.contains(&extension(file).as_str())).collect();
            let what = match rows.as_slice() {
                [rows] => return open(rows, columns),
                [] => format!("a folder of {} files, none of which is data; {READ}", files.len()),
                _ => format!("it holds {} files of rows; give the one that is meant", rows.len()),
            };
            Err(format_error(path, what))
        }
        _ => Err(format_error(path, "it holds more than one kind of data; give the one file that is meant".to_owned())),
    }
}

/// The split that a shard's name begins with, as in `train-00000-of-00002.parquet`.
fn split(shard: &Path) -> Option<String> {
    let name = shard.file_stem()?.to_str()?;
    let split = name.split(['-', '_']).next()?;
    ["train", "validation", "valid", "val", "test", "dev"].contains(&split).then(|| split.to_owned())
}

/// The shards beside `path` whose names are its name and a hyphen, and more.
fn shards_of_prefix(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let prefix = format!("{}-", name.to_string_lossy());
    let ours = |file: &PathBuf| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
            && matches!(extension(file).as_str(), "parquet" | "tar")
    };
    Ok(files(parent)?.into_iter().filter(ours).collect())
}

fn sharded(path: &Path, shards: Vec<PathBuf>, columns: &Columns) -> Result<Box<dyn Source>, Error> {
    let parquet = shards.iter().filter(|shard| extension(shard) == "parquet").count();
    match parquet {
        0 => tar::Tar::open(shards, columns).map(boxed),
        _ if parquet == shards.len() => {
            let first = shards.first().map_or(path, PathBuf::as_path).to_owned();
            rows(&first, parquet::Parquet::open(shards, &|names| parquet::of_samples(names, columns))?, columns)
                .map(boxed)
        }
        _ => Err(format_error(path, "both .parquet and .tar files; one kind would be right".to_owned())),
    }
}

/// A file of text: one row of it all.
struct Text(PathBuf);

impl Rows for Text {
    fn len(&self) -> usize {
        1
    }

    fn row(&self, index: usize) -> Result<Cell, String> {
        let bytes = fs::metadata(&self.0).map_err(|e| e.to_string())?.len();
        let text = file::Offsets::new(&self.0, vec![0], bytes).row(index)?;
        let text = cell::text(text)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        Ok(Cell::Map(Fields(vec![("text".to_owned(), Cell::Text(text))])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, PictureFile};
    use smolvlm_processor::Part;

    fn error(path: &Path) -> String {
        open(path, &Columns::default()).err().unwrap().to_string()
    }

    #[test]
    fn folders_of_pictures() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.png"), "picture").unwrap();
        assert!(error(folder.path()).contains("a folder of 1 files, none of which is data; readable are"));
        let row = r#"{"images": ["a.png"], "texts": [{"user": "What?", "assistant": "A cat."}]}"#;
        fs::write(folder.path().join("data.jsonl"), row).unwrap();
        let sample = open(folder.path(), &Columns::default()).unwrap().read(0).unwrap();
        assert_eq!(sample.pictures, [PictureFile::Path(folder.path().join("a.png"))]);
        fs::write(folder.path().join("more.jsonl"), row).unwrap();
        assert!(error(folder.path()).contains("it holds 2 files of rows"));
        for name in ["data.jsonl", "more.jsonl"] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("metadata.csv"), "file_name,text\na.png,\"A cat, asleep.\"\n").unwrap();
        let sample = open(folder.path(), &Columns::default()).unwrap().read(0).unwrap();
        assert_eq!(sample.pictures, [PictureFile::Path(folder.path().join("a.png"))]);
        assert!(matches!(&sample.content, Content::Document(parts) if parts[1] == Part::Text("A cat, asleep.".into())));
        fs::write(folder.path().join("metadata.jsonl"), "{}").unwrap();
        assert!(error(folder.path()).contains("more than one kind of data"));
        fs::remove_file(folder.path().join("metadata.csv")).unwrap();
        fs::write(folder.path().join("metadata.jsonl"), r#"{"file_name":"a.png","question":"Q","answer":"A"}"#)
            .unwrap();
        let sample = open(folder.path(), &Columns::default()).unwrap().read(0).unwrap();
        assert_eq!(sample.pictures, [PictureFile::Path(folder.path().join("a.png"))]);
    }

    #[test]
    fn a_text_is_one_document() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "\u{feff}One.\n\nTwo.\n").unwrap();
        let source = open(&path, &Columns::default()).unwrap();
        let sample = source.read(0).unwrap();
        assert_eq!((source.len(), sample.content), (1, Content::Document(vec![Part::Text("One.\n\nTwo.\n".into())])));
        assert!(source.read(1).is_err());
        fs::write(&path, b"\xff\xfe").unwrap();
        assert!(error(&path).contains("not UTF-8"));
    }

    #[test]
    fn what_is_not_there_or_not_known() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(open(&folder.path().join("none.csv"), &Columns::default()), Err(Error::Read { .. })));
        fs::write(folder.path().join("a.docx"), "x").unwrap();
        assert!(error(&folder.path().join("a.docx")).contains("the extension \"docx\" is unknown; readable are .json"));
        fs::write(folder.path().join("a.tar"), "x").unwrap();
        fs::write(folder.path().join("a.parquet"), "x").unwrap();
        assert!(error(folder.path()).contains("both .parquet and .tar"));
    }
}
