//! What is asked about: rows of any data set that training reads, or of a benchmark.

use crate::Error;
use crate::metrics::Truth;
use crate::picture::Shown;
use crate::prompts::{Asking, Style, places};
use crate::question::{Question, questions};
use crate::task::{Item, Rows, Task};
use smolvlm_data::random::permuted;
use smolvlm_data::{ClipFile, Content, Draw, Mixture, PictureFile, References, Sample, SourceConfig};
use smolvlm_processor::{DecodeOptions, Message};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are asked about.
pub(crate) trait Data: Send + Sync {
    /// The names of its sources.
    fn sources(&self) -> Vec<String>;

    /// All rows, in order.
    fn rows(&self) -> Vec<Draw>;

    /// A row. No picture is opened.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn read(&self, row: Draw) -> Result<Read, String>;

    /// What is asked about a row that shows these pictures and clips.
    ///
    /// # Errors
    /// Nothing is, in words.
    fn ask(&self, row: Draw, told: Told, shown: (&[Arc<Shown>], &[ClipFile])) -> Result<Vec<Question>, String>;
}

/// A row.
pub(crate) struct Read {
    pub(crate) pictures: Vec<PictureFile>,
    pub(crate) clips: Vec<ClipFile>,
    pub(crate) told: Told,
}

/// What a row says.
pub(crate) enum Told {
    /// A chat, and what is told of its answers.
    Sample(Content, Vec<References>),
    /// A row of a benchmark.
    Item(Box<Item>),
}

const OTHERS: &str = "a row of another kind of data";

/// Data sets that training reads.
pub(crate) struct Mixed(Mixture);

impl Mixed {
    /// Opens the sources. Their weights and repeats do not count.
    ///
    /// # Errors
    /// Where one cannot be opened.
    pub(crate) fn open(sources: &[SourceConfig], seed: u64) -> Result<Mixed, Error> {
        Ok(Mixed(Mixture::open(sources, seed)?))
    }
}

impl Data for Mixed {
    fn sources(&self) -> Vec<String> {
        self.0.names()
    }

    fn rows(&self) -> Vec<Draw> {
        self.0.rows().collect()
    }

    fn read(&self, row: Draw) -> Result<Read, String> {
        let source = self.0.source(row.source).ok_or("there is no such source")?;
        let (Sample { content, pictures, clips }, references) = source.read_with_references(row.row as usize)?;
        Ok(Read { pictures, clips, told: Told::Sample(content, references) })
    }

    fn ask(&self, row: Draw, told: Told, shown: (&[Arc<Shown>], &[ClipFile])) -> Result<Vec<Question>, String> {
        match told {
            Told::Sample(content, references) => questions(content, references, shown, (row.source, row.row + 1)),
            Told::Item(_) => Err(OTHERS.to_owned()),
        }
    }
}

/// A benchmark's rows.
pub(crate) struct Benchmark {
    task: Task,
    rows: Rows,
    asking: Asking,
    /// How many other rows stand in front of a question, with their answers.
    shots: usize,
    /// Whose they are; without any they are the benchmark's own.
    support: Option<Rows>,
    seed: u64,
}

impl Benchmark {
    /// Opens a benchmark's rows, and those for examples.
    ///
    /// # Errors
    /// They cannot be opened, or there are no such prompts for it.
    pub(crate) fn open(
        task: Task,
        path: &Path,
        asking: Asking,
        (shots, support, media): (usize, Option<&PathBuf>, Option<&PathBuf>),
        seed: u64,
    ) -> Result<Benchmark, Error> {
        asking.check(&task, shots)?;
        let media = media.map(PathBuf::as_path);
        let rows = task.opens(path, media)?;
        let support = support.map(|path| task.opens(path, media)).transpose()?;
        Ok(Benchmark { task, rows, asking, shots, support, seed })
    }

    /// Its rows alone, to show their pictures.
    ///
    /// # Errors
    /// They cannot be opened.
    pub(crate) fn plain(task: Task, path: &Path) -> Result<Benchmark, Error> {
        Benchmark::open(task, path, Asking { style: Style::Plain, second: false }, (0, None, None), 0)
    }

    /// The examples in front of a row: drawn by the seed and the row, none twice and never the row itself.
    fn examples(&self, row: u64) -> Result<Vec<Item>, String> {
        let from = self.support.as_ref().unwrap_or(&self.rows);
        let others = self.support.is_none();
        let count = from.len() as u64;
        let places = (0..count).map(|at| permuted(self.seed, 1 + row, count, at));
        // What cannot be shown teaches nothing.
        let shows = |item: &Item| item.pictures.iter().all(|file| file.size(&DecodeOptions::default()).is_ok());
        let usable = places
            .filter(|place| !(others && *place == row))
            .filter_map(|place| from.item(place as usize).ok())
            .filter(shows);
        let examples: Vec<Item> = usable.take(self.shots).collect();
        match examples.len() == self.shots {
            true => Ok(examples),
            false => Err(format!("{} rows could be examples; {} are wanted", examples.len(), self.shots)),
        }
    }
}

impl Data for Benchmark {
    fn sources(&self) -> Vec<String> {
        vec![self.task.name.clone()]
    }

    fn rows(&self) -> Vec<Draw> {
        (0..self.rows.len() as u64).map(|row| Draw { source: 0, row }).collect()
    }

    fn read(&self, row: Draw) -> Result<Read, String> {
        let mut item = self.rows.item(row.row as usize)?;
        let (pictures, clips) = (item.pictures.clone(), item.clip.take().into_iter().collect());
        Ok(Read { pictures, clips, told: Told::Item(Box::new(item)) })
    }

    fn ask(
        &self,
        row: Draw,
        told: Told,
        (pictures, clips): (&[Arc<Shown>], &[ClipFile]),
    ) -> Result<Vec<Question>, String> {
        let Told::Item(mut item) = told else { return Err(OTHERS.to_owned()) };
        item.clip = clips.first().cloned();
        let shots = if self.shots > 0 { self.examples(row.row)? } else { Vec::new() };
        let mut prompt = self.asking.prompt(&self.task, &item, &shots)?;
        let order = places(&mut prompt.parts);
        let own = |place: usize| pictures.get(place).cloned().ok_or_else(|| format!("there is no picture {place}"));
        let examples = shots.iter().flat_map(|shot| &shot.pictures).cloned().map(|file| Arc::new(Shown::File(file)));
        let own = match order {
            Some(order) => order.into_iter().map(own).collect::<Result<Vec<_>, _>>()?,
            None => pictures.to_vec(),
        };
        let Item { truth, choices, question, skill, .. } = *item;
        let choices = if choices.is_empty() { truth.choices.clone() } else { choices };
        let by_choice = self.asking.style == Style::M4 && !prompt.candidates.is_empty();
        Ok(vec![Question {
            source: row.source,
            row: row.row + 1,
            turn: 1,
            messages: vec![Message { role: "user".to_owned(), content: prompt.parts }],
            pictures: examples.chain(own).collect(),
            clips: clips.to_vec(),
            truth: Truth { question, choices, ..truth },
            skill,
            chat: prompt.chat,
            candidates: prompt.candidates,
            by_choice,
            stops: prompt.stops.into_iter().map(str::to_owned).collect(),
        }])
    }
}
