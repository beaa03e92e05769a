//! One line of progress on stderr, where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;

/// The line; gone when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        // indicatif draws nothing where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:40} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// Shows how far a stage is.
    pub(crate) fn show(&self, stage: &'static str, done: usize, total: usize) {
        if self.bar.message() != stage {
            self.bar.reset();
            self.bar.set_message(stage);
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    /// Shows a line of its own making.
    pub(crate) fn line(&self, text: &str, done: u64, total: u64) {
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {wide_msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(text.to_string());
    }

    /// Writes a line to stderr, above the progress.
    pub(crate) fn note(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    /// Takes the line away, before an answer is printed.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
