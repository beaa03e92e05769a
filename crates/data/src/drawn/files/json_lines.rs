//! JSON Lines, with pictures in files of their own.

use super::{failed, files};
use crate::Error;
use serde_json::{Value, json};
use smolvlm_synth::Sample;
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

const PICTURES: &str = "pictures";

/// The rows so far.
pub(super) struct JsonLines {
    folder: PathBuf,
    file: BufWriter<File>,
    rows: usize,
}

impl JsonLines {
    pub(super) fn begin(folder: &Path) -> Result<JsonLines, Error> {
        let (pictures, path) = (folder.join(PICTURES), folder.join("data.jsonl"));
        fs::create_dir(&pictures).map_err(|source| failed(&pictures, source))?;
        let file = File::create(&path).map_err(|source| failed(&path, source))?;
        Ok(JsonLines { folder: folder.to_owned(), file: BufWriter::new(file), rows: 0 })
    }

    pub(super) fn push(&mut self, sample: &Sample) -> Result<(), Error> {
        let shown = files(sample)?;
        let mut names = Vec::new();
        for (at, bytes) in shown.iter().enumerate() {
            let name = match shown.len() {
                1 => format!("{PICTURES}/{:06}.png", self.rows),
                _ => format!("{PICTURES}/{:06}-{}.png", self.rows, at + 1),
            };
            let path = self.folder.join(&name);
            fs::write(&path, bytes).map_err(|source| failed(&path, source))?;
            names.push(name);
        }
        let (images, videos) = if sample.fps.is_some() { (Vec::new(), names) } else { (names, Vec::new()) };
        let said = |role: &str, text: &str| json!({ "role": role, "content": text });
        let turns = sample.turns.iter();
        let messages: Vec<Value> =
            turns.clone().flat_map(|turn| [said("user", &turn.question), said("assistant", &turn.answer)]).collect();
        let row = json!({
            "messages": messages,
            "images": images,
            "videos": videos,
            "skill": turns.clone().map(|turn| turn.skill).collect::<Vec<_>>(),
            "also": turns.map(|turn| &turn.also).collect::<Vec<_>>(),
        });
        self.rows += 1;
        writeln!(self.file, "{row}").map_err(|source| failed(&self.folder, source))
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.file.flush().map_err(|source| failed(&self.folder, source))
    }
}
