//! What is written: answers to stdout, all else to stderr.

use crate::error::{Error, one_line};
use crate::terminal::has_styles;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Where things are written, and how.
pub(super) struct Output {
    /// No notes.
    pub(super) quiet: bool,
    /// One object a turn in place of the answers.
    pub(super) json: bool,
    /// Whether notes are dim.
    styled: bool,
    /// Whether lines on stderr can be taken back.
    live: bool,
}

impl Output {
    pub(super) fn new(quiet: bool, json: bool) -> Output {
        let stderr = std::io::stderr();
        let styled = has_styles(&stderr);
        Output { quiet, json, styled, live: styled && stderr.is_terminal() && std::io::stdout().is_terminal() }
    }

    /// A remark, as one line.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            let (dim, plain) = if self.styled { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
            let _ = writeln!(std::io::stderr(), "{dim}{}{plain}", one_line(text));
        }
    }

    /// What was asked for: several lines of the program's own making.
    pub(super) fn info(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{}", harmless(text));
    }

    /// What went wrong, as one line.
    pub(super) fn error(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "error: {}", one_line(text));
    }

    /// Graphics for this terminal.
    pub(super) fn graphics(&self, drawn: &str) {
        let _ = writeln!(std::io::stderr(), "{drawn}");
    }

    /// A piece of an answer.
    ///
    /// # Errors
    /// stdout cannot be written to.
    pub(super) fn text(&self, piece: &str) -> Result<(), Error> {
        let mut out = std::io::stdout().lock();
        out.write_all(harmless(piece).as_bytes()).and_then(|()| out.flush()).map_err(Error::stdout)
    }
}

/// A text that a terminal shows and does nothing else with: lines and tabs stay, other controls are written as escapes.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// What stands on stderr until an answer's first text comes.
pub(super) struct Waiting {
    since: Instant,
    live: bool,
    /// Tenths of a second that are shown; none before the first.
    shown: Option<u128>,
}

/// Before so much time nobody waits.
const PATIENCE: Duration = Duration::from_millis(400);

impl Waiting {
    pub(super) fn new(output: &Output) -> Waiting {
        Waiting { since: Instant::now(), live: output.live && !output.quiet, shown: None }
    }

    /// Shows what is done and for how long.
    pub(super) fn tick(&mut self, what: &str) {
        let passed = self.since.elapsed();
        let tenths = passed.as_millis() / 100;
        if self.live && passed >= PATIENCE && self.shown != Some(tenths) {
            self.shown = Some(tenths);
            let _ = write!(std::io::stderr(), "\r\u{1b}[K\u{1b}[2m{what} {}.{} s\u{1b}[0m", tenths / 10, tenths % 10);
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
        self.live = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_move_the_cursor() {
        assert_eq!(harmless("a\tb\nc é 猫 👍"), "a\tb\nc é 猫 👍");
        assert_eq!(
            harmless("\u{1b}]0;title\u{7}\r\u{8}\u{9b}2J\u{7f}"),
            "\\u{1b}]0;title\\u{7}\\r\\u{8}\\u{9b}2J\\u{7f}"
        );
    }
}
