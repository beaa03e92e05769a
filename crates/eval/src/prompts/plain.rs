//! The question, and options by letter, in the model's own template.

use super::{Prompt, picture, text};
use crate::task::{Asks, Item};
use smolvlm_processor::{MediaSource, Part};

/// What is asked of a row.
pub(super) fn prompt(asks: Asks, item: &Item) -> Prompt {
    let mut parts: Vec<Part> = item.clip.iter().map(|_| Part::Clip(MediaSource::Given)).collect();
    parts.extend(item.pictures.iter().map(|_| picture()));
    let mut said = String::new();
    if let Some(subtitles) = item.subtitles.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
        said.push_str(&format!("Subtitles:\n{subtitles}\n\n"));
    }
    said.extend(item.hint.iter().map(|hint| format!("{}\n", hint.trim())));
    said.push_str(item.question.trim());
    if !item.choices.is_empty() {
        said.push_str("\nChoices:\n");
        said.extend(item.choices.iter().map(|(letter, choice)| format!("{letter}. {}\n", choice.trim())));
        said.push_str("Answer with the letter.");
    } else if asks == Asks::Phrase {
        said.push_str("\nGive a very brief answer.");
    } else if asks == Asks::Caption {
        said = "Describe the image briefly.".to_owned();
    }
    parts.push(text(said));
    let candidates = item.choices.iter().map(|(letter, _)| (letter.to_string(), letter.to_string()));
    Prompt { parts, chat: true, candidates: candidates.collect(), stops: Vec::new() }
}
