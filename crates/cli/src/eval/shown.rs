//! An evaluation as it is seen on stderr.

use crate::error::one_line;
use crate::progress::Progress;
use indicatif::HumanDuration;
use smolvlm_eval::{Observer, SoFar};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where stderr is no terminal, so often a line is written.
const LINES: Duration = Duration::from_secs(10);

/// So much that cannot be used is named on stderr.
const NAMED: usize = 20;

pub(super) struct Shown {
    progress: Progress,
    stop: Arc<AtomicBool>,
    start: Instant,
    /// The rows that were done when this start began.
    before: Option<usize>,
    /// When the last line was written where stderr is no terminal.
    lines: Instant,
    /// What could not be used so far.
    bad: usize,
}

impl Shown {
    /// Of an evaluation that begins now and ends where `stop` says so.
    pub(super) fn new(stop: &Arc<AtomicBool>) -> Shown {
        let start = Instant::now();
        Shown { progress: Progress::new(), stop: Arc::clone(stop), start, before: None, lines: start, bad: 0 }
    }

    pub(super) fn clear(&self) {
        self.progress.clear();
    }
}

impl Observer for Shown {
    fn goes_on(&mut self, questions: usize) {
        self.progress.note(&format!("goes on behind the {questions} questions that an earlier start has answered"));
    }

    fn exchanging(&mut self, done: usize, of: usize) {
        self.progress.show("exchanging", done, of);
        self.start = Instant::now();
    }

    fn answered(&mut self, so_far: SoFar) {
        let SoFar { rows, of, questions, now, score } = so_far;
        let spent = self.start.elapsed().as_secs_f64();
        let rate = now as f64 / spent.max(1e-9);
        // Rows that were answered before cost no time now.
        let before = *self.before.get_or_insert(rows.saturating_sub(now));
        let each = spent / rows.saturating_sub(before).max(1) as f64;
        let left = HumanDuration(Duration::from_secs_f64((of - rows) as f64 * each));
        let right = 100.0 * score;
        let text = format!("row {rows}/{of}: {right:.1} % right of {questions}, {rate:.1} answers/s, {left} left");
        if std::io::stderr().is_terminal() {
            self.progress.line(&text, rows as u64, of as u64);
        } else if self.lines.elapsed() >= LINES {
            self.lines = Instant::now();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn bad(&mut self, name: &str, why: &str) {
        self.bad += 1;
        match self.bad {
            0..=NAMED => self.progress.note(&format!("{}: {}", one_line(name), one_line(why))),
            bad if bad == NAMED + 1 => self.progress.note("and more, which the file of answers names"),
            _ => {}
        }
    }

    fn stops(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
