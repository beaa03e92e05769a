//! A run's progress on stderr.

use super::scored::Scored;
use crate::progress::Progress;
use indicatif::HumanDuration;
use smolvlm_engine::Engine;
use smolvlm_train::{Observer, StepLine};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// A run as it is seen on stderr.
pub(super) struct Shown {
    progress: Progress,
    start: Instant,
    /// The first step that was done, and when it was.
    first: Option<(u64, Instant)>,
    /// When the last line was written where stderr is no terminal.
    lines: Instant,
    /// What checkpoints are scored by.
    scored: Scored,
}

impl Shown {
    /// Of a run that begins now.
    pub(super) fn new(scored: Scored) -> Shown {
        Shown { progress: Progress::new(), start: Instant::now(), first: None, lines: Instant::now(), scored }
    }

    /// Takes the progress line away.
    pub(super) fn clear(&self) {
        self.progress.clear();
    }
}

/// Where stderr is no terminal, so often a line is written.
const LINES: Duration = Duration::from_secs(10);

impl Observer for Shown {
    fn loading(&mut self, done: usize, total: usize) {
        self.progress.show("loading", done, total);
    }

    fn step(&mut self, line: &StepLine, steps: u64) {
        let (first, since) = *self.first.get_or_insert_with(|| (line.step, Instant::now()));
        let rate =
            if line.step > first { since.elapsed().as_secs_f64() / (line.step - first) as f64 } else { line.seconds };
        let left = Duration::from_secs_f64((steps - line.step) as f64 * rate);
        let words = line.words.map_or_else(String::new, |words| format!(", of words {words:.4}"));
        let mfu = line.mfu.map_or_else(String::new, |mfu| format!(", MFU {:.0} %", 100.0 * mfu));
        let text = format!(
            "step {}/{steps}: loss {:.4}{words}, rate {:.2e}, {:.0} tokens/s, {:.2} pictures/s{mfu}, {} left",
            line.step,
            line.loss,
            line.lr,
            line.tokens as f64 / line.seconds,
            line.pictures as f64 / line.seconds,
            HumanDuration(left),
        );
        if std::io::stderr().is_terminal() {
            self.progress.line(&text, line.step, steps);
        } else if self.lines.elapsed() >= LINES || line.step == first || line.step == steps {
            self.lines = Instant::now();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn scores(&mut self, step: u64, engine: &Engine) -> Result<Vec<(String, f64)>, String> {
        let scores = self.scored.scores(step, engine).map_err(|error| error.to_string())?;
        for (name, score) in &scores {
            self.note(&format!("{name} after {step} steps: {:.1} %", 100.0 * score));
        }
        Ok(scores)
    }

    fn note(&mut self, text: &str) {
        self.progress.clear();
        let _ = writeln!(std::io::stderr(), "{text} ({} since the start)", HumanDuration(self.start.elapsed()));
    }
}
