//! Lines as a user enters them: edited in a terminal, or read from a pipe.

use super::entry::goes_on;
use super::history::History;
use super::{command, settings};
use crate::error::Error;
use crate::options::CHAT;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, CompletionType, Config, Context, Editor, Helper};
use std::cell::Cell;
use std::io::{BufRead, IsTerminal, Read, Write};

/// What stands before a line that is asked for.
const PROMPT: &str = "> ";

/// What came.
pub(super) enum Got {
    /// What was entered, as many lines as belong together.
    Entry(String),
    /// Ctrl-C; whether the line was empty.
    Interrupt { empty: bool },
    /// There is no more.
    End,
}

/// Where lines come from.
pub(super) enum Lines {
    /// A terminal that lines can be edited in.
    Edited(Box<Edited>),
    /// A pipe, or a terminal that can do nothing; then there is a prompt.
    Plain { prompt: bool },
}

/// An editor with what was entered before.
pub(super) struct Edited {
    editor: Editor<Help, MemHistory>,
    history: Option<History>,
    /// Whether it has been told that the history cannot be written.
    told: bool,
}

impl Lines {
    /// stdin's, with the lines of earlier calls if they are wanted.
    ///
    /// # Errors
    /// The terminal cannot be used.
    pub(super) fn of_stdin(with_history: bool) -> Result<Lines, Error> {
        let prompt = std::io::stdin().is_terminal();
        if !prompt || std::env::var_os("TERM").is_none_or(|term| term == "dumb") && cfg!(unix) {
            return Ok(Lines::Plain { prompt });
        }
        // stdout is for answers, and may lead elsewhere.
        let config = Config::builder().behavior(Behavior::PreferTerm).completion_type(CompletionType::List);
        let config = config.max_history_size(10_000).map_err(failed)?.build();
        let history = with_history.then(History::of_user).flatten();
        let mut editor = Editor::with_history(config.clone(), MemHistory::with_config(&config)).map_err(failed)?;
        editor.set_helper(Some(Help { files: FilenameCompleter::new(), empty: Cell::new(true) }));
        for entry in history.iter().flat_map(History::entries) {
            editor.add_history_entry(entry).map_err(failed)?;
        }
        Ok(Lines::Edited(Box::new(Edited { editor, history, told: false })))
    }

    /// Whether a person sits there.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Lines::Edited(_) | Lines::Plain { prompt: true })
    }

    /// The next entry.
    ///
    /// # Errors
    /// stdin cannot be read, or a line of it is longer than any question.
    pub(super) fn next(&mut self) -> Result<Got, Error> {
        match self {
            Lines::Edited(edited) => edited.next(),
            Lines::Plain { prompt } => {
                let mut text = String::new();
                loop {
                    if *prompt {
                        let _ = write!(std::io::stderr(), "{}", if text.is_empty() { PROMPT } else { "" });
                    }
                    let Some(line) = plain_line()? else {
                        return Ok(if text.is_empty() { Got::End } else { Got::Entry(text) });
                    };
                    text += &line;
                    if !goes_on(&text) {
                        return Ok(Got::Entry(text));
                    }
                    text.push('\n');
                }
            }
        }
    }
}

impl Edited {
    fn next(&mut self) -> Result<Got, Error> {
        loop {
            if let Some(help) = self.editor.helper() {
                help.empty.set(true);
            }
            return match self.editor.readline(PROMPT) {
                Ok(entry) => {
                    self.remember(&entry)?;
                    Ok(Got::Entry(entry))
                }
                Err(ReadlineError::Interrupted) => {
                    Ok(Got::Interrupt { empty: self.editor.helper().is_none_or(|help| help.empty.get()) })
                }
                Err(ReadlineError::Eof) => Ok(Got::End),
                // The terminal has another size.
                Err(ReadlineError::Signal(_)) => continue,
                Err(error) => Err(failed(error)),
            };
        }
    }

    fn remember(&mut self, entry: &str) -> Result<(), Error> {
        if entry.trim().is_empty() {
            return Ok(());
        }
        self.editor.add_history_entry(entry).map_err(failed)?;
        let written = self.history.as_ref().map_or(Ok(()), |history| history.add(entry));
        if let Err(error) = written.as_ref().map_err(ToString::to_string)
            && !std::mem::replace(&mut self.told, true)
        {
            let _ = writeln!(std::io::stderr(), "what is entered is not kept for later calls: {error}");
        }
        Ok(())
    }
}

/// A line of stdin without its end; what is no text in it becomes replacement characters.
fn plain_line() -> Result<Option<String>, Error> {
    let most = CHAT << 20;
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(most).read_until(b'\n', &mut bytes);
    let length = read.map_err(|source| Error::Stream { stream: "stdin", source })?;
    if length as u64 == most && !bytes.ends_with(b"\n") {
        return Error::usage(format!("stdin has a line of more than {CHAT} MiB, which no question needs"));
    }
    let line = String::from_utf8_lossy(&bytes);
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok((length > 0).then(|| line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

fn failed(error: ReadlineError) -> Error {
    let source = match error {
        ReadlineError::Io(source) => source,
        other => std::io::Error::other(other.to_string()),
    };
    Error::Stream { stream: "the terminal", source }
}

/// What helps while a line is entered.
struct Help {
    files: FilenameCompleter,
    /// Whether the line is empty: Ctrl-C then leaves.
    empty: Cell<bool>,
}

impl Helper for Help {}
impl Highlighter for Help {}

impl Hinter for Help {
    type Hint = String;

    /// Gives none, but sees every change.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.empty.set(line.is_empty());
        None
    }
}

impl Validator for Help {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if goes_on(context.input()) { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Completer for Help {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or(line);
        match words(before) {
            (_, words) if words.is_empty() => self.files.complete_path(line, position),
            found => Ok(found),
        }
    }
}

/// The commands, or settings, that go on as this does, and where they begin; none where it is neither.
fn words(before: &str) -> (usize, Vec<Pair>) {
    let (start, names): (usize, Vec<String>) = match before.strip_prefix("/set ") {
        Some(_) => (5, settings::names().collect()),
        None => (0, command::COMMANDS.iter().map(|(name, ..)| format!("/{name}")).collect()),
    };
    let begun = before.get(start..).unwrap_or_default();
    if start == 0 && !begun.starts_with('/') {
        return (0, Vec::new());
    }
    let fitting = names.into_iter().filter(|name| name.starts_with(begun));
    (start, fitting.map(|name| Pair { replacement: format!("{name} "), display: name }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_settings_are_completed() {
        let of = |before: &str| {
            let (start, words) = words(before);
            (start, words.into_iter().map(|word| word.replacement).collect::<Vec<_>>())
        };
        assert_eq!(of("/im"), (0, vec!["/image ".to_owned()]));
        assert_eq!(of("/s").1, ["/system ", "/save ", "/set ", "/show "]);
        assert_eq!(of("/set temp"), (5, vec!["temperature ".to_owned()]));
        assert_eq!(
            of("/set top_"),
            (5, vec!["top_k ".to_owned(), "top_p ".into(), "top_h ".into(), "top_n_sigma ".into()])
        );
        for none in ["", "What", "/home/", "/image a", "/set temperature 1"] {
            assert!(of(none).1.is_empty(), "{none}");
        }
    }
}
