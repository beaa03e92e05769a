//! The questions of a data set, asked and scored.

use crate::Error;
use crate::asker::{Asker, Asks};
use crate::data::{Benchmark, Data, Mixed, Read};
use crate::metrics::Metric;
use crate::picture::Shown;
use crate::prompts::{Asking, Style};
use crate::question::Question;
use crate::records::Line;
use crate::results::{Outcome, Results};
use crate::rows::{self, Shard};
use crate::run::Run;
use crate::run_state::{Folder, Origin, RunFile, Speed};
use crate::server::{Remote, Server};
use crate::task::Task;
use serde_json::json;
use smolvlm_data::{Draw, SourceConfig};
use smolvlm_engine::Engine;
use smolvlm_processor::{ClipChoice, ClipMode, DecodeOptions, PlanOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is shown in the place of the pictures, to see how much the answers owe to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Grey of the same size.
    Blank,
    /// Another row's.
    Shuffle,
}

impl Control {
    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Control::Blank => "blank",
            Control::Shuffle => "shuffle",
        }
    }
}

/// How questions are asked and scored.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the model is called in files.
    pub model: String,
    /// In what it computes, for the files.
    pub precision: String,
    /// How answers are scored.
    pub metric: Metric,
    /// What is shown in the place of the pictures.
    pub control: Option<Control>,
    /// The most rows, drawn by the seed.
    pub limit: Option<u64>,
    /// Which part of the rows.
    pub shard: Shard,
    /// Where draws begin.
    pub seed: u64,
    /// Questions that are answered side by side.
    pub batch: usize,
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// How pictures become tiles.
    pub plan: PlanOptions,
    /// How clips are shown; unless it says so, questions with options to choose from as the first SmolVLM's script does, whose
    /// score of CinePile is published.
    pub clips: ClipChoice,
    /// How picture files are read.
    pub decode: DecodeOptions,
    /// The folder of the results.
    pub output: PathBuf,
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoFar {
    /// Rows that are done.
    pub rows: usize,
    /// All rows.
    pub of: usize,
    /// Questions that were answered, those of an earlier start too.
    pub questions: usize,
    /// And how many by this start.
    pub now: usize,
    /// Their mean score.
    pub score: f64,
}

/// Is told what happens.
pub trait Observer {
    /// So many questions were answered by an earlier start of the same, which was broken off.
    fn goes_on(&mut self, questions: usize);
    /// So many of all rows' pictures are looked at, for the exchange.
    fn exchanging(&mut self, done: usize, of: usize);
    /// Some more questions are answered.
    fn answered(&mut self, so_far: SoFar);
    /// A row cannot be used, or one of its questions; its name, and why.
    fn bad(&mut self, name: &str, why: &str);
    /// Whether to end with what is answered.
    fn stops(&mut self) -> bool;
}

/// How a benchmark's questions are put.
#[derive(Debug, Clone)]
pub struct Prompts {
    /// Whose prompts.
    pub style: Style,
    /// How many answered questions stand in front.
    pub shots: usize,
    /// Where these come from; without a place from the benchmark's own rows.
    pub support: Option<PathBuf>,
    /// Below which folder clips are looked for; without one beside the rows.
    pub media: Option<PathBuf>,
    /// Whether the model is SmolVLM2.
    pub second: bool,
}

/// The rows whose pictures rows are shown: by source and row.
pub(crate) type Others = BTreeMap<(usize, u64), Option<Draw>>;

/// Data to be asked about.
pub struct Evaluation {
    pub(crate) data: Box<dyn Data>,
    pub(crate) rows: Vec<Draw>,
    pub(crate) options: Options,
    /// What the data is called in files.
    pub(crate) names: Vec<String>,
    origin: Origin,
    prompts: Option<Prompts>,
    task: Option<Task>,
}

impl Evaluation {
    /// Opens the sources. Their weights and repeats do not count: each row is asked about once.
    ///
    /// # Errors
    /// Where one cannot be opened; likelihoods are asked for behind a prompt that ends with its question.
    pub fn open(sources: &[SourceConfig], options: Options) -> Result<Evaluation, Error> {
        if options.metric == Metric::Likelihood && options.clips.mode == Some(ClipMode::VlmEvalKit) {
            return Err(Error::Mode);
        }
        let data = Box::new(Mixed::open(sources, options.seed)?);
        let rows = rows::chosen(&*data, options.limit, options.seed, options.shard);
        let names = sources.iter().map(|source| source.path.display().to_string()).collect();
        let origin = Origin::Sources(sources.to_vec());
        Ok(Evaluation { data, rows, options, names, origin, prompts: None, task: None })
    }

    /// Opens a benchmark, whose rows are below `path`, or in the one file that it is.
    ///
    /// # Errors
    /// Where they cannot be opened, or are not those of the task; there are no such prompts for it.
    pub fn of_task(task: Task, path: &Path, prompts: Prompts, options: Options) -> Result<Evaluation, Error> {
        let asking = Asking { style: prompts.style, second: prompts.second };
        let shots = (prompts.shots, prompts.support.as_ref(), prompts.media.as_ref());
        let origin = Origin::Task { task: task.name.clone(), path: path.to_owned() };
        let data = Box::new(Benchmark::open(task.clone(), path, asking, shots, options.seed)?);
        let rows = rows::chosen(&*data, options.limit, options.seed, options.shard);
        let names = vec![task.name.clone()];
        let mut options = options;
        if prompts.style == Style::VlmEvalKit {
            // As it reads frames, whatever the model's own way.
            options.clips.mode = options.clips.mode.or(Some(ClipMode::VlmEvalKit));
        }
        Ok(Evaluation { data, rows, options, names, origin, prompts: Some(prompts), task: Some(task) })
    }

    /// Asks everything, and writes the results. A row that cannot be used is counted and named. Where the observer
    /// stops, the results are those so far. What an earlier start of the same has answered is not asked again.
    ///
    /// # Errors
    /// Where a file cannot be written, or no question was answered.
    pub fn run(&self, engine: &Engine, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        self.run_by(Asks::Here(Box::new(Asker::new(&self.options, engine))), observer)
    }

    /// The same by a server of the OpenAI API.
    ///
    /// # Errors
    /// As [`Evaluation::run`].
    pub fn run_on(&self, server: &dyn Server, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        self.run_by(Asks::There(Remote::new(server, &self.options)), observer)
    }

    fn run_by(&self, asks: Asks<'_>, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        let folder = Folder::new(&self.options.output);
        let others = self.others(observer);
        let mut run = Run::begin(self, asks, folder, (others.as_ref(), observer))?;
        for (index, row) in self.rows.iter().enumerate() {
            if run.stops() {
                break;
            }
            if !run.has(*row) {
                match self.questions(*row, others.as_ref()) {
                    Ok(questions) => run.take(questions),
                    Err(why) => run.bad((row.source, row.row + 1), None, &why)?,
                }
            }
            if !run.go_on(index + 1 == self.rows.len())? {
                break;
            }
        }
        run.finish()
    }

    /// What decides the answers.
    pub(crate) fn file(&self) -> RunFile {
        let options = &self.options;
        let plan = &options.plan;
        let prompts = self.prompts.as_ref();
        let settings = json!({
            "model": options.model, "precision": options.precision, "data": self.names, "metric": options.metric.name(),
            "control": options.control.map(Control::name), "limit": options.limit, "seed": options.seed,
            "max_tokens": options.max_tokens, "prompts": prompts.map(|prompts| prompts.style.name()),
            "shots": prompts.map_or(0, |prompts| prompts.shots),
            "support": prompts.and_then(|prompts| prompts.support.as_ref()),
            "clips": options.clips, "longest_edge": plan.longest_edge, "split": plan.split,
        });
        RunFile {
            settings,
            origin: self.origin.clone(),
            shard: (options.shard.index, options.shard.of),
            rows: self.rows.len(),
            sources: self.data.sources(),
            done: false,
            speed: Speed::default(),
        }
    }

    /// What comes of answers.
    pub(crate) fn results<'a>(&'a self, run: &'a RunFile, lines: &'a [Line], stopped: bool) -> Results<'a> {
        Results { metric: self.options.metric, seed: self.options.seed, task: self.task.as_ref(), run, lines, stopped }
    }

    /// Whose pictures each row is shown, where they are exchanged.
    fn others(&self, observer: &mut dyn Observer) -> Option<Others> {
        let of = self.rows.len();
        (self.options.control == Some(Control::Shuffle)).then(|| {
            let told = &mut |done| observer.exchanging(done, of);
            let others = rows::exchanged(&*self.data, &self.rows, self.options.seed, told);
            self.rows.iter().map(|row| (row.source, row.row)).zip(others).collect()
        })
    }

    /// A row's questions, where pictures are exchanged about those of another.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn questions(&self, row: Draw, others: Option<&Others>) -> Result<Vec<Question>, String> {
        let Read { pictures, clips, told } = self.data.read(row)?;
        let other = others.map(|others| others.get(&(row.source, row.row)).copied().flatten());
        let (files, clips) = match other {
            None => (pictures, clips),
            Some(Some(other)) => {
                let read = self.data.read(other)?;
                (read.pictures, read.clips)
            }
            Some(None) => return Err("no other row has as many pictures to exchange".to_owned()),
        };
        let mut pictures = Vec::new();
        for (at, file) in files.into_iter().enumerate() {
            let shown = Shown::File(file);
            let blank = self.options.control == Some(Control::Blank);
            let shown = if blank { shown.blank(&self.options.decode) } else { Ok(shown) };
            pictures.push(Arc::new(shown.map_err(|why| format!("picture {at}: {why}"))?));
        }
        self.data.ask(row, told, (&pictures, &clips))
    }
}
