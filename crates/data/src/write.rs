//! Samples to disk: JSON Lines that [`crate::open`] reads again as the same samples.

use crate::read::MAX_ROW;
use crate::{ClipFile, Content, Error, PictureFile, Sample};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use smolvlm_processor::{Part, Picture};
use smolvlm_sys::aside::NewFile;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A new file of samples, one a line. It is written aside and has its name only when it is whole; let go before, it is gone.
pub struct JsonLines {
    path: PathBuf,
    folder: PathBuf,
    aside: BufWriter<NewFile>,
}

impl JsonLines {
    /// Begins the file that will stand at `path`, which ends in `.jsonl`.
    ///
    /// # Errors
    /// It has another ending, is there already, or its folder cannot be written to.
    pub fn create(path: &Path) -> Result<JsonLines, Error> {
        let wrong = |what: &str| Err(Error::Format { path: path.display().to_string(), what: what.to_owned() });
        if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl")) {
            return wrong("what is written are rows of JSON; a name that ends in .jsonl would be right");
        }
        if path.exists() {
            return wrong("it exists already, and nothing is written over; another name would be right");
        }
        let failed = |source| unwritten(path, source);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = parent.canonicalize().map_err(failed)?;
        let aside = BufWriter::new(NewFile::begin(path).map_err(failed)?);
        Ok(JsonLines { path: path.to_owned(), folder, aside })
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// It is longer than a row that is read, or cannot be written.
    pub fn push(&mut self, sample: &Sample) -> Result<(), Error> {
        let row = row(sample, &self.folder).to_string();
        if row.len() as u64 >= MAX_ROW {
            let what = format!("a row of {} bytes, with its pictures; at most {MAX_ROW} are read", row.len());
            return Err(Error::Format { path: self.path.display().to_string(), what });
        }
        writeln!(self.aside, "{row}").map_err(|source| unwritten(&self.path, source))
    }

    /// Brings the file down to the disk and gives it its name.
    ///
    /// # Errors
    /// It cannot be written, or another of that name has come.
    pub fn finish(self) -> Result<(), Error> {
        let failed = |source| unwritten(&self.path, source);
        self.aside.into_inner().map_err(|e| failed(e.into_error()))?.finish_new().map_err(failed)
    }
}

fn unwritten(path: &Path, source: std::io::Error) -> Error {
    Error::Read { path: path.display().to_string(), source }
}

/// A chat as `messages` and `images`, a document as `texts` and `images` in turn.
fn row(sample: &Sample, folder: &Path) -> Value {
    let mut pictures = sample.pictures.iter().map(|picture| of_picture(picture, folder));
    match &sample.content {
        Content::Chat(messages) => {
            let part = |part: &Part| match part {
                Part::Text(text) => json!({ "type": "text", "text": text }),
                Part::Image(_) | Part::Frame => json!({ "type": "image" }),
                Part::Clip(_) => json!({ "type": "video" }),
            };
            let turn = |message: &smolvlm_processor::Message| json!({ "role": message.role, "content": message.content.iter().map(part).collect::<Vec<_>>() });
            let messages: Vec<Value> = messages.iter().map(turn).collect();
            let pictures = pictures.collect::<Vec<_>>();
            let clips = sample.clips.iter().map(|clip| of_clip(clip, folder)).collect::<Vec<_>>();
            match clips.is_empty() {
                true => json!({ "messages": messages, "images": pictures }),
                false => json!({ "messages": messages, "images": pictures, "videos": clips }),
            }
        }
        Content::Document(parts) if !sample.clips.is_empty() => {
            let said = |part: &Part| match part {
                Part::Text(text) => text.clone(),
                Part::Clip(_) => "<video>".to_owned(),
                Part::Image(_) | Part::Frame => "<image>".to_owned(),
            };
            let text: String = parts.iter().map(said).collect();
            let clips = sample.clips.iter().map(|clip| of_clip(clip, folder)).collect::<Vec<_>>();
            json!({ "text": text, "images": pictures.collect::<Vec<_>>(), "videos": clips })
        }
        Content::Document(parts) => {
            let (mut texts, mut images): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
            for run in parts.chunk_by(|a, b| matches!((a, b), (Part::Text(_), Part::Text(_)))) {
                let text: String = run
                    .iter()
                    .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
                    .collect();
                let shown = matches!(run, [part] if part.is_place());
                images.push(if shown { pictures.next().unwrap_or(Value::Null) } else { Value::Null });
                texts.push(if shown { Value::Null } else { text.into() });
            }
            json!({ "texts": texts, "images": images })
        }
    }
}

/// A path from the folder of the rows where it lies in there, else from the root.
fn of_path(path: &Path, folder: &Path) -> Value {
    let whole = path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    whole.strip_prefix(folder).unwrap_or(&whole).display().to_string().into()
}

/// A path, or bytes in base64; of drawn frames a film of PNGs.
fn of_clip(clip: &ClipFile, folder: &Path) -> Value {
    let bytes = |bytes: &[u8]| json!({ "bytes": BASE64_STANDARD.encode(bytes) });
    match clip {
        ClipFile::Path(path) => of_path(path, folder),
        ClipFile::Bytes(file) => bytes(file),
        // Memory alone could fail to take it; the row then says that a clip is missing.
        ClipFile::Frames { frames, fps } => Picture::to_apng(frames, *fps).map_or(Value::Null, |file| bytes(&file)),
    }
}

/// A path, or bytes in base64.
fn of_picture(picture: &PictureFile, folder: &Path) -> Value {
    match picture {
        PictureFile::Path(path) => of_path(path, folder),
        PictureFile::Bytes(bytes) => json!({ "bytes": BASE64_STANDARD.encode(bytes) }),
        // Memory alone could fail to take a PNG; the row then says that a picture is missing.
        PictureFile::Pixels(picture) => {
            picture.to_png().map_or(Value::Null, |png| json!({ "bytes": BASE64_STANDARD.encode(png) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Columns, open};

    /// Rows of every kind: chats with pictures by path, as bytes and none, documents, and texts that look like marks.
    const ROWS: [&str; 8] = [
        r#"{"videos":["p/a.mp4"],"text":"T"}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"video"},{"type":"text","text":"Q"}]},{"role":"assistant","content":"A"}],"videos":[{"bytes":"Yg=="}]}"#,
        r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"image"},{"type":"text","text":"Q <image>"},{"type":"image"}]},{"role":"assistant","content":"A\nB"}],"images":["p/a.png",{"bytes":"Yg=="}]}"#,
        r#"{"conversations":[{"from":"human","value":"<image>\nQ"},{"from":"gpt","value":"A"}],"image":"p/a.png"}"#,
        r#"{"messages":[{"role":"user","content":"<image> in HTML?"},{"role":"assistant","content":"A"}]}"#,
        r#"{"text":"<image> alone"}"#,
        r#"{"image":"/absolute/b.png","text":"T "}"#,
        r#"{"texts":["One ",null,"two","three",null],"images":[null,{"bytes":"Yw=="},null,null,"p/a.png"]}"#,
    ];

    fn samples(path: &Path) -> Vec<Sample> {
        let source = open(path, &Columns::default()).unwrap();
        (0..source.len()).map(|row| source.read(row).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.jsonl"), dir.path().join("new/clean.jsonl"));
        std::fs::create_dir_all(dir.path().join("p")).unwrap();
        std::fs::create_dir(dir.path().join("new")).unwrap();
        std::fs::write(dir.path().join("p/a.png"), "picture").unwrap();
        std::fs::write(&old, ROWS.join("\n")).unwrap();
        let before = samples(&old);
        for path in [new, dir.path().join("clean.jsonl")] {
            let mut file = JsonLines::create(&path).unwrap();
            before.iter().for_each(|sample| file.push(sample).unwrap());
            assert!(!path.exists());
            file.finish().unwrap();
            let after = samples(&path);
            assert_eq!(after.len(), before.len());
            for (a, b) in after.iter().zip(&before) {
                assert_eq!(a.content, b.content);
                for (a, b) in a.pictures.iter().zip(&b.pictures) {
                    match (a, b) {
                        (PictureFile::Path(a), PictureFile::Path(b)) if a.exists() => {
                            assert_eq!(a.canonicalize().unwrap(), b.canonicalize().unwrap());
                        }
                        _ => assert_eq!(a, b),
                    }
                }
            }
        }
        // Beside its pictures a file names them from there, so that the folder can be moved.
        let text = std::fs::read_to_string(dir.path().join("clean.jsonl")).unwrap();
        assert!(text.contains(r#""p/a.png""#) && !text.contains(&dir.path().display().to_string()));
    }

    #[test]
    fn nothing_is_written_over_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let sample = || Sample {
            content: Content::Document(vec![Part::Text("T".into())]),
            pictures: Vec::new(),
            clips: Vec::new(),
        };
        let mut dropped = JsonLines::create(&path).unwrap();
        dropped.push(&sample()).unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let late = JsonLines::create(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        assert!(late.finish().is_err());
        let refused = |path: &Path| JsonLines::create(path).err().unwrap().to_string();
        assert!(refused(&path).contains("exists already"));
        assert!(refused(&dir.path().join("a.parquet")).contains(".jsonl"));
        assert!(refused(&dir.path().join("none/a.jsonl")).contains("none"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let mut file = JsonLines::create(&dir.path().join("b.jsonl")).unwrap();
        let large = Sample { pictures: vec![PictureFile::Bytes(vec![0; 60 << 20])], ..sample() };
        let large =
            Sample { content: Content::Document(vec![Part::Image(smolvlm_processor::MediaSource::Given)]), ..large };
        assert!(file.push(&large).unwrap_err().to_string().contains("at most 67108864 are read"));
    }
}
