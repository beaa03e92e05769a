//! How far a batch is, on stderr.

use crate::progress::Progress;
use indicatif::HumanDuration;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Where stderr is no terminal, so often a line is written.
const LINES: Duration = Duration::from_secs(10);

/// The progress of a batch.
pub(super) struct Shown {
    progress: Progress,
    /// All rows.
    of: u64,
    /// Rows that were answered before this call.
    before: u64,
    tokens: usize,
    start: Instant,
    /// When the last line was written where stderr is no terminal.
    line: Instant,
}

impl Shown {
    /// Of so many rows some are answered already.
    pub(super) fn new(of: u64, before: u64) -> Shown {
        if before > 0 {
            let _ = writeln!(std::io::stderr(), "going on behind {before} of {of} rows");
        }
        let start = Instant::now();
        Shown { progress: Progress::new(), of, before, tokens: 0, start, line: start }
    }

    /// So many rows are answered now, the last one with so many tokens.
    pub(super) fn answered(&mut self, rows: u64, tokens: usize) {
        self.tokens += tokens;
        let terminal = std::io::stderr().is_terminal();
        if !terminal && self.line.elapsed() < LINES {
            return;
        }
        let seconds = self.start.elapsed().as_secs_f64() * (self.of.saturating_sub(rows)) as f64;
        let left = HumanDuration(Duration::from_secs_f64(seconds / (rows - self.before).max(1) as f64));
        let text = format!("row {rows}/{}: {}, {left} left", self.of, self.rates(rows));
        if terminal {
            self.progress.line(&text, rows, self.of);
        } else {
            self.line = Instant::now();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn rates(&self, rows: u64) -> String {
        let seconds = self.start.elapsed().as_secs_f64().max(1e-9);
        let (rows, tokens) = ((rows - self.before) as f64 / seconds, self.tokens as f64 / seconds);
        format!("{rows:.1} rows/s, {tokens:.0} tokens/s")
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.progress.clear();
    }

    /// Says what it came to.
    pub(super) fn finish(&self, rows: u64, failed: u64, output: &Path) {
        self.clear();
        let (seconds, rates) = (self.start.elapsed().as_secs_f64(), self.rates(rows));
        let (good, output) = (rows - failed, output.display());
        let _ = writeln!(std::io::stderr(), "{good} of {rows} rows answered in {seconds:.1} s, {rates}: {output}");
    }
}
