//! What can go wrong in the program itself.

use std::process::ExitCode;

/// Every way in which a command can fail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The words of the call do not fit together.
    #[error("{0}")]
    Usage(String),
    /// The call asks for nothing.
    #[error("{what}")]
    Nothing {
        /// What is missing.
        what: &'static str,
        /// Calls that ask for something, one a line.
        examples: &'static str,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    /// stdin or stdout failed.
    #[error("{stream}: {source}")]
    Stream { stream: &'static str, source: std::io::Error },
    /// Rows of a batch have no answer.
    #[error("{failed} of {rows} rows could not be answered: their lines in {path} say why")]
    Rows { failed: u64, rows: u64, path: String },
    /// A batch was stopped.
    #[error("stopped behind {rows} of {of} rows; the same call goes on there")]
    Stopped { rows: u64, of: u64 },
    /// Lines of a conversation were not done.
    #[error("nothing came of {failed} of the lines: what stands above says why")]
    Entries { failed: u64 },
    /// The thread that answers has ended.
    #[error("the model has stopped working; what was said can be asked anew in another call")]
    ModelGone,
    /// The model takes no question.
    #[error(transparent)]
    Refused(#[from] smolvlm_engine::Refusal),
    /// Files of the cache are not what they should be.
    #[error("{count} of its files are broken; smolvlm models --remove {name} and smolvlm pull {name} bring it anew")]
    Broken { count: usize, name: String },
    /// A name or folder of a model.
    #[error(transparent)]
    Hub(#[from] smolvlm_hub::Error),
    /// A picture's address.
    #[cfg(feature = "net")]
    #[error(transparent)]
    Fetch(#[from] smolvlm_fetch::Error),
    /// Pictures, chats and settings.
    #[error(transparent)]
    Processor(#[from] smolvlm_processor::Error),
    /// Writing a model in another form.
    #[error(transparent)]
    Convert(#[from] smolvlm_convert::Error),
    /// Loading and answering.
    #[error(transparent)]
    Engine(#[from] smolvlm_engine::Error),
    /// Data to train on.
    #[error(transparent)]
    Data(#[from] smolvlm_data::Error),
    /// Scoring answers.
    #[error(transparent)]
    Eval(#[from] smolvlm_eval::Error),
    /// Bringing a model to few bits.
    #[error(transparent)]
    Quantise(#[from] smolvlm_quantise::Error),
    /// Clips.
    #[error(transparent)]
    Video(#[from] smolvlm_video::Error),
    /// What is drawn.
    #[error(transparent)]
    Synth(#[from] smolvlm_synth::Error),
    /// Answering over HTTP.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Server(#[from] smolvlm_server::Error),
    /// Training, and making models for it.
    #[error(transparent)]
    Train(#[from] smolvlm_train::Error),
}

impl Error {
    pub(crate) fn usage<T>(what: impl Into<String>) -> Result<T, Error> {
        Err(Error::Usage(what.into()))
    }

    /// What clap says of the arguments, without the usage that it shows behind it.
    pub(crate) fn arguments(error: &clap::Error) -> Error {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let said = text.split("\n\n").map(str::trim);
        let said = said.take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
        let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
        Error::Usage(format!("{} (--help shows how)", said.map(words).collect::<Vec<_>>().join("; ")))
    }

    pub(crate) fn stdout(source: std::io::Error) -> Error {
        Error::Stream { stream: "stdout", source }
    }

    /// Whether answers can no longer be written.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, Error::Stream { stream: "stdout", .. })
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Stream { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        let usage = matches!(self, Error::Usage(_) | Error::Nothing { .. });
        #[cfg(feature = "serve")]
        let usage = usage || matches!(self, Error::Server(smolvlm_server::Error::Options(_)));
        ExitCode::from(if usage { 2 } else { 1 })
    }
}

/// A message as one line of bounded length. Names and values from files stand in messages: what could move a terminal's
/// cursor is written as an escape.
pub(crate) fn one_line(text: &str) -> String {
    const MOST: usize = 2000;
    let mut line = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MOST {
            line.push('…');
            break;
        }
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_on_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[2Jé"), "a\\nb\\u{1b}[2Jé");
        assert_eq!(one_line(&"x".repeat(3000)).chars().count(), 2001);
    }
}
