//! The folder of an evaluation: what was asked for, how far it is, and the answers so far, so that one that was killed goes on.

use crate::Error;
use crate::files::{self, Lines};
use crate::records::Line;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smolvlm_data::SourceConfig;
use std::path::{Path, PathBuf};

/// What a run is told in `run.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// What decides the answers: two runs of the same may go on with each other's.
    pub(crate) settings: Value,
    /// Where the rows are, to show their pictures again.
    pub(crate) origin: Origin,
    /// Which part of the rows.
    pub(crate) shard: (usize, usize),
    /// How many rows that part has.
    pub(crate) rows: usize,
    /// The names of the sources, in order.
    pub(crate) sources: Vec<String>,
    /// Whether every row was asked about.
    pub(crate) done: bool,
    pub(crate) speed: Speed,
}

/// What an evaluation took, all its starts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Seconds of asking.
    pub seconds: f64,
    /// Questions that were answered.
    pub questions: u64,
    /// Tokens of answers.
    pub tokens: u64,
    /// The most memory that was held, in bytes; 0 where it is not known.
    pub peak: u64,
}

impl Speed {
    /// Both together: done one after the other or side by side, the larger one's memory counts.
    pub(crate) fn and(self, other: Speed) -> Speed {
        Speed {
            seconds: self.seconds + other.seconds,
            questions: self.questions + other.questions,
            tokens: self.tokens + other.tokens,
            peak: self.peak.max(other.peak),
        }
    }
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// Data sets that training reads.
    Sources(Vec<SourceConfig>),
    /// A benchmark, and where its files are.
    Task { task: String, path: PathBuf },
}

const RUN: &str = "run.json";
const ANSWERS: &str = "answers.jsonl";

/// A run's folder.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned() }
    }

    pub(crate) fn answers(&self) -> PathBuf {
        self.path.join(ANSWERS)
    }

    /// What an earlier run of the same left there unfinished; nothing where there is none.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn unfinished(&self, run: &RunFile) -> Result<Option<(Speed, Vec<Line>)>, Error> {
        let Some(text) = files::read(&self.path.join(RUN))? else { return Ok(None) };
        let Ok(earlier) = serde_json::from_str::<RunFile>(&text) else { return Ok(None) };
        let same = earlier.settings == run.settings && earlier.shard == run.shard && earlier.sources == run.sources;
        if earlier.done || !same {
            return Ok(None);
        }
        let part = files::read(&files::part(&self.answers()))?;
        let lines = match part {
            Some(lines) => lines,
            None => files::read(&self.answers())?.unwrap_or_default(),
        };
        Ok(Some((earlier.speed, lines.lines().filter_map(Line::parse).collect())))
    }

    /// Begins the file of answers with these.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn begin(&self, run: &RunFile, lines: &[Line]) -> Result<Lines, Error> {
        let lines: Vec<Value> = lines.iter().map(Line::to_json).collect();
        let begun = Lines::begin(&self.answers(), lines.iter())?;
        self.tell(run)?;
        Ok(begun)
    }

    /// Writes how far it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn tell(&self, run: &RunFile) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(run).unwrap_or_default();
        files::replace(&self.path.join(RUN), format!("{text}\n").as_bytes())
    }

    /// Writes all answers in order, in the place of those that came as they did.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn finish(&self, run: &RunFile, lines: &[Line]) -> Result<(), Error> {
        let text: String = lines.iter().map(|line| format!("{}\n", line.to_json())).collect();
        files::replace(&self.answers(), text.as_bytes())?;
        self.tell(run)?;
        files::remove(&files::part(&self.answers()))
    }

    /// Writes a file of results.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        std::fs::create_dir_all(&self.path)
            .map_err(|source| Error::File { path: self.path.display().to_string(), source })?;
        let path = self.path.join(name);
        files::replace(&path, bytes)?;
        Ok(path)
    }

    /// A finished run.
    ///
    /// # Errors
    /// There is none, or it is not finished.
    pub(crate) fn open(&self) -> Result<(RunFile, Vec<Line>), Error> {
        let wrong = |what: &str| Error::Run { path: self.path.display().to_string(), what: what.to_owned() };
        let text =
            files::read(&self.path.join(RUN))?.ok_or_else(|| wrong("it holds no run.json: no evaluation was here"))?;
        let run: RunFile = serde_json::from_str(&text).map_err(|e| wrong(&format!("its run.json is none: {e}")))?;
        if !run.done {
            return Err(wrong("it is not finished; the same command goes on with it"));
        }
        let answers = files::read(&self.answers())?.ok_or_else(|| wrong("its answers.jsonl is gone"))?;
        let lines = answers.lines().map(|line| Line::parse(line).ok_or_else(|| wrong("its answers.jsonl is broken")));
        Ok((run, lines.collect::<Result<_, _>>()?))
    }
}

/// Runs of all parts of the same rows as one: the parts' answers in order.
///
/// # Errors
/// They are not all of the same, or a part is missing or there twice.
pub(crate) fn merged(folders: &[PathBuf]) -> Result<(RunFile, Vec<Line>), Error> {
    let mut all: Option<(RunFile, Vec<Line>, Vec<usize>)> = None;
    for path in folders {
        let (run, lines) = Folder::new(path).open()?;
        let wrong = |what: String| Err(Error::Run { path: path.display().to_string(), what });
        match &mut all {
            None => all = Some((run.clone(), lines, vec![run.shard.0])),
            Some((first, whole, parts)) => {
                if first.settings != run.settings || first.sources != run.sources || first.shard.1 != run.shard.1 {
                    return wrong(
                        "it is a part of another evaluation: its settings differ from the first folder's".into(),
                    );
                }
                if parts.contains(&run.shard.0) {
                    return wrong(format!("part {}/{} is there twice", run.shard.0, run.shard.1));
                }
                parts.push(run.shard.0);
                whole.extend(lines);
                first.speed = first.speed.and(run.speed);
                first.rows += run.rows;
            }
        }
    }
    let (mut run, mut lines, parts) =
        all.ok_or_else(|| Error::Run { path: String::new(), what: "no folder is given".into() })?;
    if let Some(missing) = (0..run.shard.1).find(|part| !parts.contains(part)) {
        let what = format!("part {missing}/{} is missing", run.shard.1);
        return Err(Error::Run { path: "merge".into(), what });
    }
    run.shard = (0, 1);
    sort(&mut lines, &run.sources);
    Ok((run, lines))
}

/// Lines in the order of their rows.
pub(crate) fn sort(lines: &mut [Line], sources: &[String]) {
    lines.sort_by_cached_key(|line| line.place(sources));
}
