//! Benchmarks by name: each is a file of `tasks/`, which says where its rows are, what their columns mean, what is asked and how
//! answers are scored. A file of a user's own works in the same way.

mod columns;
mod files;
mod item;

use crate::Error;
use columns::Columns;
#[cfg(test)]
pub(crate) use columns::{NOTHING, inline};
pub(crate) use files::Rows;
pub(crate) use item::Item;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The tasks that this program knows, by name.
const TASKS: [(&str, &str); 26] = [
    ("ai2d", include_str!("../../tasks/ai2d.toml")),
    ("chartqa", include_str!("../../tasks/chartqa.toml")),
    ("cinepile", include_str!("../../tasks/cinepile.toml")),
    ("coco", include_str!("../../tasks/coco.toml")),
    ("docvqa", include_str!("../../tasks/docvqa.toml")),
    ("gqa", include_str!("../../tasks/gqa.toml")),
    ("hallusionbench", include_str!("../../tasks/hallusionbench.toml")),
    ("infovqa", include_str!("../../tasks/infovqa.toml")),
    ("mathvista", include_str!("../../tasks/mathvista.toml")),
    ("mlvu", include_str!("../../tasks/mlvu.toml")),
    ("mmbench", include_str!("../../tasks/mmbench.toml")),
    ("mmmu", include_str!("../../tasks/mmmu.toml")),
    ("mmstar", include_str!("../../tasks/mmstar.toml")),
    ("mmvet", include_str!("../../tasks/mmvet.toml")),
    ("mvbench", include_str!("../../tasks/mvbench.toml")),
    ("ocrbench", include_str!("../../tasks/ocrbench.toml")),
    ("okvqa", include_str!("../../tasks/okvqa.toml")),
    ("pope", include_str!("../../tasks/pope.toml")),
    ("scienceqa", include_str!("../../tasks/scienceqa.toml")),
    ("seedbench", include_str!("../../tasks/seedbench.toml")),
    ("tempcompass", include_str!("../../tasks/tempcompass.toml")),
    ("tempcompass-matching", include_str!("../../tasks/tempcompass-matching.toml")),
    ("tempcompass-yes-no", include_str!("../../tasks/tempcompass-yes-no.toml")),
    ("textvqa", include_str!("../../tasks/textvqa.toml")),
    ("video-mme", include_str!("../../tasks/video-mme.toml")),
    ("vqav2", include_str!("../../tasks/vqav2.toml")),
];

/// A benchmark.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// By which it is asked for.
    #[serde(skip)]
    pub name: String,
    /// What its makers call it.
    pub title: String,
    /// What it asks, in a line.
    pub about: String,
    /// How answers are scored.
    pub(crate) metric: String,
    /// What VLMEvalKit's data set asks of a row.
    pub(crate) asks: Asks,
    /// What VLMEvalKit's SmolVLM makes of that; without one it does not know the task.
    kit: Option<Kit>,
    /// What m4 asks; without one it does not know the task.
    m4: Option<M4>,
    hub: Option<Hub>,
    tsv: Option<Tsv>,
    /// Published scores by model, in points of a hundred.
    #[serde(default)]
    pub published: BTreeMap<String, f64>,
}

/// What VLMEvalKit's data sets ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asks {
    /// The question.
    Question,
    /// And for a word or a phrase.
    Phrase,
    /// And its options by letter.
    Choices,
    /// For a caption.
    Caption,
}

/// How VLMEvalKit's SmolVLM puts it (`build_prompt_*` of its `smolvlm.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kit {
    Plain,
    Brief,
    YesNo,
    Choices,
    Mmbench,
    Mmmu,
    Mathvista,
    Docvqa,
    Textvqa,
    Chartqa,
    VideoMme,
    Mlvu,
    Mvbench,
    Tempcompass,
    TempcompassYesNo,
}

/// How m4 puts it (the templates of its evaluation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum M4 {
    Vqa,
    Textvqa,
    Docvqa,
    Chartqa,
    Gqa,
    Caption,
    Ai2d,
    Scienceqa,
    Mmmu,
    Mmstar,
    Mathvista,
    Mmbench,
    Seedbench,
    Pope,
}

/// The rows on the hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hub {
    /// The repository.
    repo: String,
    /// Its files, `*` standing for any letters.
    files: Vec<String>,
    /// How many rows; 0 where it is not known.
    rows: u64,
    /// Where its columns are published.
    schema: String,
    /// When that was looked at.
    seen: String,
    columns: Columns,
}

/// VLMEvalKit's table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tsv {
    /// Its name, without `.tsv`.
    name: String,
    /// Where it is published; none where it is made on the spot.
    url: Option<String>,
    schema: String,
    seen: String,
    columns: Columns,
}

/// One of the forms in which a task's rows are published.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    files: Vec<String>,
    columns: Columns,
    /// Whether it is a table of VLMEvalKit's.
    table: bool,
}

/// Where a task comes from, for who wants to know.
#[derive(Debug, Clone)]
pub struct Published<'a> {
    /// The repository on the hub, or the name of the table.
    pub name: &'a str,
    /// Its files on the hub; of a table its address, where it has one.
    pub files: Vec<&'a str>,
    /// How many rows.
    pub rows: u64,
    /// Where its columns are published, and when that was looked at.
    pub schema: (&'a str, &'a str),
}

impl Task {
    /// The names of all tasks that are known.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TASKS.iter().map(|(name, _)| *name)
    }

    /// A task by its name, or of a file of one's own (`.toml`).
    ///
    /// # Errors
    /// There is none of that name, or the file is no task.
    pub fn open(name: &str) -> Result<Task, Error> {
        let path = Path::new(name);
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: name.to_owned(), source })?;
            let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            return Task::parse(&stem, &text);
        }
        let found = TASKS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (name, text) = found.ok_or_else(|| Error::NoTask {
            name: name.to_owned(),
            known: Task::names().collect::<Vec<_>>().join(", "),
        })?;
        Task::parse(name, text)
    }

    fn parse(name: &str, text: &str) -> Result<Task, Error> {
        let wrong = |what: String| Error::Task { name: name.to_owned(), what };
        let mut task: Task = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        name.clone_into(&mut task.name);
        if task.hub.is_none() && task.tsv.is_none() {
            return Err(wrong("neither [hub] nor [tsv] says where its rows are".to_owned()));
        }
        crate::rule::Rule::named(&task.metric).ok_or_else(|| {
            wrong(format!("metric {:?}; one of {} would be right", task.metric, crate::rule::Rule::names()))
        })?;
        Ok(task)
    }

    /// On the hub.
    pub fn hub(&self) -> Option<Published<'_>> {
        let hub = self.hub.as_ref()?;
        let files = hub.files.iter().map(String::as_str).chain(hub.columns.elsewhere_files()).collect();
        Some(Published { name: &hub.repo, files, rows: hub.rows, schema: (&hub.schema, &hub.seen) })
    }

    /// As VLMEvalKit's table.
    pub fn tsv(&self) -> Option<Published<'_>> {
        let tsv = self.tsv.as_ref()?;
        Some(Published {
            name: &tsv.name,
            files: tsv.url.iter().map(String::as_str).collect(),
            rows: 0,
            schema: (&tsv.schema, &tsv.seen),
        })
    }

    /// Whether its rows have clips.
    pub fn has_clips(&self) -> bool {
        let columns = [self.hub.as_ref().map(|hub| &hub.columns), self.tsv.as_ref().map(|tsv| &tsv.columns)];
        columns.into_iter().flatten().any(|columns| columns.has_clip())
    }

    /// How answers are scored.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    pub(crate) fn kit(&self) -> Option<Kit> {
        self.kit
    }

    pub(crate) fn m4(&self) -> Option<M4> {
        self.m4
    }

    /// Its rows, below a folder or in a file.
    ///
    /// # Errors
    /// They are not there, or are others.
    pub(crate) fn opens(&self, path: &Path, media: Option<&Path>) -> Result<Rows, Error> {
        let is_table = path.extension().is_some_and(|ending| ending == "tsv");
        let hub = self.hub.as_ref().map(|hub| Layout {
            files: hub.files.clone(),
            columns: hub.columns.clone(),
            table: false,
        });
        let tsv = self.tsv.as_ref().map(|tsv| Layout {
            files: vec![format!("{}.tsv", tsv.name), format!("{}_local.tsv", tsv.name), "*.tsv".to_owned()],
            columns: tsv.columns.clone(),
            table: true,
        });
        // A folder may hold the one or the other.
        match (hub, tsv) {
            (Some(hub), tsv) if !is_table => match (Rows::open(path, hub, media), tsv) {
                (Err(Error::NoRows { path: from, wanted }), Some(tsv)) => match Rows::open(path, tsv, media) {
                    Err(Error::NoRows { wanted: table, .. }) => {
                        Err(Error::NoRows { path: from, wanted: format!("{wanted}, nor {table}") })
                    }
                    found => found,
                },
                (found, _) => found,
            },
            (_, Some(tsv)) => Rows::open(path, tsv, media),
            (Some(hub), None) => Rows::open(path, hub, media),
            (None, None) => Err(Error::Task { name: self.name.clone(), what: "it has no rows".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_whole() {
        let names: Vec<&str> = Task::names().collect();
        assert!(names.is_sorted() && names.len() == 26);
        for name in names {
            let task = Task::open(name).unwrap();
            let hub = task.hub().unwrap();
            assert!(hub.schema.0.starts_with("https://") && hub.schema.1.len() == 10, "{name}");
            assert!(task.kit.is_some() || name == "cinepile");
            assert_eq!(task.has_clips(), hub_columns(&task).has_clip());
        }
        let error = Task::open("chartq").unwrap_err().to_string();
        assert!(error.contains("chartqa"), "{error}");
        let error = Task::parse("x", "title = \"X\"\nabout = \"\"\nmetric = \"y\"\nasks = \"question\"\n").unwrap_err();
        assert!(error.to_string().contains("neither [hub] nor [tsv]"), "{error}");
    }

    fn hub_columns(task: &Task) -> &Columns {
        &task.hub.as_ref().unwrap().columns
    }
}
