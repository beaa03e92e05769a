//! The questions of a data set, asked and scored.

use crate::Error;
use crate::asker::{Asker, Given, Seen};
use crate::files::{self, Lines};
use crate::metrics::Metric;
use crate::page::Page;
use crate::picture::Shown;
use crate::question::{Question, questions};
use crate::rows;
use crate::scores::{self, Record, Score};
use serde_json::{Value, json};
use smolvlm_data::{Draw, Mixture, SourceConfig};
use smolvlm_engine::Engine;
use smolvlm_processor::{ClipChoice, ClipMode, DecodeOptions, PlanOptions};
use smolvlm_sys::Stopwatch;
use std::ops::ControlFlow;
use std::path::PathBuf;
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
    /// How answers are scored.
    pub metric: Metric,
    /// What is shown in the place of the pictures.
    pub control: Option<Control>,
    /// The most rows, drawn by the seed.
    pub limit: Option<u64>,
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
    /// Questions that were answered.
    pub questions: usize,
    /// Their mean score.
    pub score: f64,
}

/// Is told what happens.
pub trait Observer {
    /// So many of all rows' pictures are looked at, for the exchange.
    fn exchanging(&mut self, done: usize, of: usize);
    /// Some more questions are answered.
    fn answered(&mut self, so_far: SoFar);
    /// A row cannot be used, or one of its questions; its name, and why.
    fn bad(&mut self, name: &str, why: &str);
    /// Whether to end with what is answered.
    fn stops(&mut self) -> bool;
}

/// What an evaluation came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// All questions.
    pub total: Score,
    /// By skill; questions without one by their source.
    pub skills: Vec<Score>,
    /// By source, where there are several.
    pub sources: Vec<Score>,
    /// Rows that were asked about.
    pub rows: usize,
    /// Rows, and questions of rows, that could not be used.
    pub bad: usize,
    /// Whether it was ended before all was asked.
    pub stopped: bool,
    /// How long it took.
    pub seconds: f64,
    /// The results as `scores.json` has them.
    pub json: Value,
    /// The page.
    pub page: PathBuf,
    /// Every answer.
    pub answers: PathBuf,
}

/// Data to be asked about.
pub struct Evaluation {
    mixture: Mixture,
    data: Vec<String>,
    rows: Vec<Draw>,
    options: Options,
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
        let mixture = Mixture::open(sources, options.seed)?;
        let rows = rows::chosen(&mixture, options.limit, options.seed);
        let data = sources.iter().map(|source| source.path.display().to_string()).collect();
        Ok(Evaluation { mixture, data, rows, options })
    }

    /// Asks everything, and writes the results. A row that cannot be used is counted and named. Where the observer
    /// stops, the results are those so far.
    ///
    /// # Errors
    /// Where a file cannot be written, or no question was answered.
    pub fn run(&self, engine: &Engine, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        let start = Stopwatch::start();
        let mut run = Run::begin(self, engine, observer)?;
        let others = self.others(run.observer);
        for (index, row) in self.rows.iter().enumerate() {
            if run.observer.stops() {
                run.stopped = true;
                break;
            }
            let other = others.as_ref().map(|others| others.get(index).copied().flatten());
            match self.questions(*row, other) {
                Ok(questions) => run.waiting.extend(questions),
                Err(why) => run.bad((row.source, row.row + 1), None, &why)?,
            }
            run.rows = index + 1;
            let last = index + 1 == self.rows.len();
            while run.waiting.len() >= self.options.batch.max(1) || (last && !run.waiting.is_empty()) {
                if !run.ask()? {
                    break;
                }
            }
            if run.stopped {
                break;
            }
        }
        run.finish(start.seconds())
    }

    /// Whose pictures each row is shown, where they are exchanged.
    fn others(&self, observer: &mut dyn Observer) -> Option<Vec<Option<Draw>>> {
        let of = self.rows.len();
        (self.options.control == Some(Control::Shuffle)).then(|| {
            rows::exchanged(&self.mixture, &self.rows, self.options.seed, &mut |done| observer.exchanging(done, of))
        })
    }

    /// A row's questions; `other` is the row whose pictures it is shown, where they are exchanged.
    fn questions(&self, row: Draw, other: Option<Option<Draw>>) -> Result<Vec<Question>, String> {
        let source = self.mixture.source(row.source).ok_or("there is no such source")?;
        let (sample, references) = source.read_with_references(row.row as usize)?;
        let (files, clips) = match other {
            None => (sample.pictures.clone(), sample.clips.clone()),
            Some(Some(other)) => rows::shown(&self.mixture, other)?,
            Some(None) => return Err("no other row has as many pictures to exchange".to_owned()),
        };
        let mut pictures = Vec::new();
        for (at, file) in files.into_iter().enumerate() {
            let shown = Shown::File(file);
            let blank = self.options.control == Some(Control::Blank);
            let shown = if blank { shown.blank(&self.options.decode) } else { Ok(shown) };
            pictures.push(Arc::new(shown.map_err(|why| format!("picture {at}: {why}"))?));
        }
        questions(sample, references, (&pictures, &clips), (row.source, row.row + 1))
    }
}

/// An evaluation while it runs.
struct Run<'a> {
    evaluation: &'a Evaluation,
    asker: Asker<'a>,
    observer: &'a mut dyn Observer,
    sources: Vec<String>,
    /// Names of skills, and of sources whose rows tell none.
    groups: Vec<String>,
    waiting: Vec<Question>,
    lines: Lines,
    page: Page,
    records: Vec<Record>,
    rows: usize,
    bad: usize,
    first_bad: Option<String>,
    sum: f64,
    stopped: bool,
}

impl<'a> Run<'a> {
    fn begin(evaluation: &'a Evaluation, engine: &'a Engine, observer: &'a mut dyn Observer) -> Result<Run<'a>, Error> {
        let options = &evaluation.options;
        Ok(Run {
            evaluation,
            asker: Asker::new(options, engine),
            observer,
            sources: evaluation.mixture.names(),
            groups: Vec::new(),
            waiting: Vec::new(),
            lines: Lines::begin(&options.output.join("answers.jsonl"))?,
            page: Page::new(options.seed, options.metric),
            records: Vec::new(),
            rows: 0,
            bad: 0,
            first_bad: None,
            sum: 0.0,
            stopped: false,
        })
    }

    /// Counts and names what cannot be used.
    fn bad(&mut self, (source, row): (usize, u64), turn: Option<usize>, why: &str) -> Result<(), Error> {
        let source = self.sources.get(source).map_or("", String::as_str);
        let name = format!("{source}:{row}");
        self.observer.bad(&name, why);
        self.bad += 1;
        self.first_bad.get_or_insert_with(|| format!("{name}: {why}"));
        self.lines.add(&json!({ "source": source, "row": row, "turn": turn, "error": why }))
    }

    /// Answers some of the questions that wait; whether it was not broken off.
    fn ask(&mut self) -> Result<bool, Error> {
        let start = Stopwatch::start();
        let count = self.waiting.len().min(self.evaluation.options.batch.max(1));
        let batch: Vec<Question> = self.waiting.drain(..count).collect();
        let mut seen = Vec::new();
        for question in batch {
            let (source, row, turn) = (question.source, question.row, question.turn);
            match self.asker.see(question) {
                Ok(shown) => seen.push(shown),
                Err(why) => self.bad((source, row), Some(turn), &why)?,
            }
            self.stopped |= self.observer.stops();
            if self.stopped {
                return Ok(false);
            }
        }
        let observer = &mut *self.observer;
        let mut go_on = || if observer.stops() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let given = self.asker.answers(&seen, &mut go_on);
        let Some(given) = given else {
            self.stopped = true;
            return Ok(false);
        };
        let seconds = start.seconds() / seen.len().max(1) as f64;
        for (Seen { question, .. }, given) in seen.into_iter().zip(given) {
            match given {
                Ok(given) => self.score(question, &given, seconds)?,
                Err(why) => self.bad((question.source, question.row), Some(question.turn), &why)?,
            }
        }
        self.lines.flush()?;
        let (questions, of) = (self.records.len(), self.evaluation.rows.len());
        let score = self.sum / questions.max(1) as f64;
        self.observer.answered(SoFar { rows: self.rows, of, questions, score });
        Ok(true)
    }

    fn score(&mut self, question: Question, given: &Given, seconds: f64) -> Result<(), Error> {
        let options = &self.evaluation.options;
        let text = given.text.as_str();
        let score = options.metric.score(text, &question.truth);
        let source = self.sources.get(question.source).map_or("", String::as_str);
        let name = question.skill.as_deref().unwrap_or(source);
        let group = self.groups.iter().position(|group| group == name).unwrap_or_else(|| {
            self.groups.push(name.to_owned());
            self.groups.len() - 1
        });
        let truth = &question.truth;
        let mut line = json!({
            "source": source, "row": question.row, "turn": question.turn, "skill": question.skill,
            "question": truth.question, "answer": text, "expected": truth.expected,
            "accepted": truth.accepted().skip(1).collect::<Vec<_>>(), "score": score,
            "ms": (seconds * 1e5).round() / 100.0,
        });
        if let Value::Object(line) = &mut line {
            line.extend(given.more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        self.lines.add(&line)?;
        self.sum += score;
        self.page.offer(group, &question, text, score, &options.decode);
        self.records.push(Record { group, source: question.source, score, truth: question.truth });
        Ok(())
    }

    fn finish(self, seconds: f64) -> Result<Outcome, Error> {
        let options = &self.evaluation.options;
        if self.records.is_empty() {
            let first = self.first_bad.map_or_else(String::new, |first| format!("; {first}"));
            return Err(Error::Nothing { rows: self.rows, bad: self.bad, first });
        }
        let skills = scores::by(options.metric, &self.groups, &self.records, |record| record.group);
        let mut sources = scores::by(options.metric, &self.sources, &self.records, |record| record.source);
        if sources.len() < 2 {
            sources.clear();
        }
        let total = scores::total(options.metric, &self.records, &skills);
        let all = |scores: &[Score]| scores.iter().map(Score::to_json).collect::<Vec<_>>();
        let json = json!({
            "model": options.model, "data": self.evaluation.data, "metric": options.metric.name(),
            "control": options.control.map(Control::name), "seed": options.seed, "limit": options.limit,
            "rows": self.rows, "questions": self.records.len(), "bad": self.bad, "stopped": self.stopped,
            "interval": if options.metric.is_graded() { "normal" } else { "wilson" }, "seconds": seconds,
            "all": total.to_json(), "skills": all(&skills), "sources": all(&sources),
        });
        let (answers, page) = (options.output.join("answers.jsonl"), options.output.join("report.html"));
        self.lines.finish()?;
        files::replace(&options.output.join("scores.json"), format!("{json:#}\n").as_bytes())?;
        let (rows, bad, stopped) = (self.rows, self.bad, self.stopped);
        let outcome = Outcome { total, skills, sources, rows, bad, stopped, seconds, json, page, answers };
        let html = self.page.html(options, &self.evaluation.data, &outcome);
        files::replace(&outcome.page, html.as_bytes())?;
        Ok(outcome)
    }
}
