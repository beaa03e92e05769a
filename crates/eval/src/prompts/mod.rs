//! What benchmarks are asked with, word for word as others ask them.

#[cfg(test)]
mod golden;
mod kit;
mod m4;
mod plain;

use crate::Error;
use crate::task::{Item, Task};
pub(crate) use kit::places;
use smolvlm_processor::{MediaSource, Part};

/// Whose prompts are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// VLMEvalKit's for SmolVLM, behind the published scores.
    VlmEvalKit,
    /// Those of m4's evaluation, with which SmolVLM was made.
    M4,
    /// The question, and options by letter, in the model's own template.
    Plain,
}

impl Style {
    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        match self {
            Style::VlmEvalKit => "vlmevalkit",
            Style::M4 => "m4",
            Style::Plain => "plain",
        }
    }

    /// The most tokens of an answer, as it has them.
    pub fn max_tokens(self) -> usize {
        match self {
            Style::VlmEvalKit => 2048,
            Style::M4 => 40,
            Style::Plain => 128,
        }
    }
}

/// What a model goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Texts and places for pictures and clips.
    pub(crate) parts: Vec<Part>,
    /// Whether they are a question for the model's template; else they are all that it is given.
    pub(crate) chat: bool,
    /// What it may go on with, where it has to choose: by a label, and as it stands behind the prompt.
    pub(crate) candidates: Vec<(String, String)>,
    /// Where an answer ends.
    pub(crate) stops: Vec<&'static str>,
}

/// How a task's rows become prompts.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) style: Style,
    /// Whether the model is SmolVLM2, whose class in VLMEvalKit differs in a sign and shows clips.
    pub(crate) second: bool,
}

impl Asking {
    /// That there are such prompts for a task.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn check(&self, task: &Task, shots: usize) -> Result<(), Error> {
        let none = |what: &str| Err(Error::NoPrompt { task: task.name.clone(), what: what.to_owned() });
        match self.style {
            Style::VlmEvalKit if task.kit().is_none() => {
                none("VLMEvalKit does not know it; --prompts plain would be right")
            }
            Style::VlmEvalKit if task.has_clips() && !self.second => {
                none("VLMEvalKit shows clips to SmolVLM2 alone; --prompts plain would be right")
            }
            Style::M4 if task.m4().is_none() => none("m4 has no prompt for it; --prompts vlmevalkit would be right"),
            Style::VlmEvalKit | Style::Plain if shots > 0 => {
                none("examples in front are m4's way; --prompts m4 would be right")
            }
            _ => Ok(()),
        }
    }

    /// The prompt of a row, behind others with their answers.
    ///
    /// # Errors
    /// It cannot be asked so.
    pub(crate) fn prompt(&self, task: &Task, item: &Item, shots: &[Item]) -> Result<Prompt, String> {
        match (self.style, task.kit(), task.m4()) {
            (Style::VlmEvalKit, Some(kit), _) => kit::prompt((task.asks, kit), item, self.second),
            (Style::M4, _, Some(m4)) => m4::prompt(m4, item, shots),
            _ => Ok(plain::prompt(task.asks, item)),
        }
    }
}

/// A place for a picture.
fn picture() -> Part {
    Part::Image(MediaSource::Given)
}

fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}
