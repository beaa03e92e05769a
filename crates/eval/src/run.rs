//! An evaluation while it runs.

use crate::Error;
use crate::asker::{Asks, Given};
use crate::evaluation::{Evaluation, Observer, Others, SoFar};
use crate::files::Lines;
use crate::page::Pictures;
use crate::picture::Shown;
use crate::question::Question;
use crate::records::{Answered, Line};
use crate::results::Outcome;
use crate::run_state::{self, Folder, RunFile};
use smolvlm_data::Draw;
use smolvlm_sys::Stopwatch;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

pub(crate) struct Run<'a> {
    evaluation: &'a Evaluation,
    asks: Asks<'a>,
    others: Option<&'a Others>,
    observer: &'a mut dyn Observer,
    folder: Folder,
    file: RunFile,
    /// Rows of which everything is answered.
    done: BTreeSet<(usize, u64)>,
    waiting: Vec<Question>,
    /// All answers so far.
    all: Vec<Line>,
    lines: Lines,
    rows: usize,
    /// Questions that this start has answered, and all together with the sum of their scores.
    now: usize,
    questions: usize,
    sum: f64,
    bad: usize,
    stopped: bool,
}

impl<'a> Run<'a> {
    /// Begins, or goes on where an earlier start of the same was broken off.
    ///
    /// # Errors
    /// Where a file cannot be read or written.
    pub(crate) fn begin(
        evaluation: &'a Evaluation,
        asks: Asks<'a>,
        folder: Folder,
        (others, observer): (Option<&'a Others>, &'a mut dyn Observer),
    ) -> Result<Run<'a>, Error> {
        let mut file = evaluation.file();
        let (mut all, mut done) = (Vec::new(), BTreeSet::new());
        if let Some((speed, lines)) = folder.unfinished(&file)? {
            file.speed = speed;
            (all, done) = whole_rows(evaluation, &file, lines);
        }
        let lines = folder.begin(&file, &all)?;
        let answered = all.iter().filter_map(|line| Some(line.what.as_ref().ok()?.score));
        let (questions, sum) = answered.fold((0, 0.0), |(count, sum), score| (count + 1, sum + score));
        if questions > 0 {
            observer.goes_on(questions);
        }
        Ok(Run {
            evaluation,
            asks,
            others,
            observer,
            folder,
            file,
            done,
            waiting: Vec::new(),
            all,
            lines,
            rows: 0,
            now: 0,
            questions,
            sum,
            bad: 0,
            stopped: false,
        })
    }

    /// Whether whoever watches has had enough.
    pub(crate) fn stops(&mut self) -> bool {
        self.stopped |= self.observer.stops();
        self.stopped
    }

    /// Whether everything of a row is answered already.
    pub(crate) fn has(&self, row: Draw) -> bool {
        self.done.contains(&(row.source, row.row + 1))
    }

    /// Takes a row's questions.
    pub(crate) fn take(&mut self, questions: Vec<Question>) {
        self.waiting.extend(questions);
    }

    /// Counts and names what cannot be used.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn bad(&mut self, (source, row): (usize, u64), turn: Option<usize>, why: &str) -> Result<(), Error> {
        let source = self.file.sources.get(source).map_or("", String::as_str).to_owned();
        self.observer.bad(&format!("{source}:{row}"), why);
        self.bad += 1;
        self.add(Line { source, row, turn, what: Err(why.to_owned()) })
    }

    fn add(&mut self, line: Line) -> Result<(), Error> {
        self.lines.add(&line.to_json())?;
        self.all.push(line);
        Ok(())
    }

    /// A row more is read; asks where enough wait, or it was the last. Whether it was not broken off.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(crate) fn go_on(&mut self, last: bool) -> Result<bool, Error> {
        self.rows += 1;
        let batch = self.evaluation.options.batch.max(1);
        while self.waiting.len() >= batch || (last && !self.waiting.is_empty()) {
            if !self.ask()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers some of the questions that wait; whether it was not broken off.
    fn ask(&mut self) -> Result<bool, Error> {
        let start = Stopwatch::start();
        let count = self.waiting.len().min(self.evaluation.options.batch.max(1));
        let batch: Vec<Question> = self.waiting.drain(..count).collect();
        let observer = &mut *self.observer;
        let mut go_on = || if observer.stops() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let Some(given) = self.asks.answers(batch, &mut go_on) else {
            self.stopped = true;
            return Ok(false);
        };
        for (question, given) in given {
            match given {
                Ok(given) => self.score(question, given)?,
                Err(why) => self.bad((question.source, question.row), Some(question.turn), &why)?,
            }
        }
        self.lines.flush()?;
        self.file.speed.seconds += start.seconds();
        self.file.speed.peak = self.file.speed.peak.max(smolvlm_sys::peak_rss().unwrap_or(0));
        self.folder.tell(&self.file)?;
        let (rows, of, questions, now) = (self.rows, self.evaluation.rows.len(), self.questions, self.now);
        self.observer.answered(SoFar { rows, of, questions, now, score: self.sum / questions.max(1) as f64 });
        Ok(true)
    }

    fn score(&mut self, question: Question, given: Given) -> Result<(), Error> {
        let Question { source, row, turn, truth, skill, by_choice, .. } = question;
        let score = match by_choice {
            true => f64::from(u8::from(given.text.eq_ignore_ascii_case(&truth.expected))),
            false => self.evaluation.options.metric.score(&given.text, &truth),
        };
        self.sum += score;
        self.questions += 1;
        self.now += 1;
        let source = self.file.sources.get(source).cloned().unwrap_or_default();
        let more = given.more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let answered = Answered { skill, answer: given.text, score, truth, more };
        self.file.speed.questions += 1;
        self.file.speed.tokens += answered.tokens();
        self.add(Line { source, row, turn: Some(turn), what: Ok(answered) })
    }

    /// Writes what comes of all answers.
    ///
    /// # Errors
    /// Where a file cannot be written, or no question was answered.
    pub(crate) fn finish(mut self) -> Result<Outcome, Error> {
        self.lines.flush()?;
        run_state::sort(&mut self.all, &self.file.sources);
        if self.questions == 0 {
            let bad = |line: &Line| Some((format!("{}:{}", line.source, line.row), line.what.as_ref().err()?.clone()));
            let first = self.all.iter().find_map(bad).map(|(name, why)| format!("; {name}: {why}")).unwrap_or_default();
            return Err(Error::Nothing { rows: self.rows, bad: self.bad, first });
        }
        self.file.done = !self.stopped;
        self.folder.finish(&self.file, &self.all)?;
        let (evaluation, asks) = (self.evaluation, &self.asks);
        let decode = evaluation.options.decode;
        let pictures = Again { evaluation, asks, others: self.others };
        let results = evaluation.results(&self.file, &self.all, self.stopped);
        let model = (evaluation.options.model.as_str(), evaluation.options.control);
        results.write(&self.folder, model, &evaluation.names, (&pictures, &decode))
    }
}

/// The lines of rows of which everything was answered, and these rows. What was broken off is asked again, and what could not be
/// used is tried again: a file may have come, a server may be back.
fn whole_rows(evaluation: &Evaluation, file: &RunFile, lines: Vec<Line>) -> (Vec<Line>, BTreeSet<(usize, u64)>) {
    let place = |line: &Line| (line.place(&file.sources).0, line.row);
    let mut answers: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.what.is_ok()) {
        *answers.entry(place(line)).or_default() += 1;
    }
    let asked = |(source, row): (usize, u64)| {
        let draw = Draw { source, row: row.saturating_sub(1) };
        evaluation.questions(draw, None).map_or(0, |questions| questions.len())
    };
    let whole = answers.into_iter().filter(|(row, answers)| *answers == asked(*row));
    let done: BTreeSet<(usize, u64)> = whole.map(|(row, _)| row).collect();
    let lines = lines.into_iter().filter(|line| done.contains(&place(line))).collect();
    (lines, done)
}

/// Shows the pictures of questions once more, as they were asked.
struct Again<'a> {
    evaluation: &'a Evaluation,
    asks: &'a Asks<'a>,
    others: Option<&'a Others>,
}

impl Pictures for Again<'_> {
    fn of(&self, row: Draw, turn: usize) -> Vec<Arc<Shown>> {
        let all = self.evaluation.questions(row, self.others).unwrap_or_default();
        let found = all.into_iter().find(|question| question.turn == turn);
        // What can no longer be shown is left out.
        let shown = |mut question: Question| self.asks.show_clips(&mut question).ok().map(|()| question.pictures);
        found.and_then(shown).unwrap_or_default()
    }
}
