//! `/show`: what was said, and what it takes of the context.

use super::conversation::{Piece, Said};
use super::session::Session;
use crate::error::{Error, one_line};

/// The most characters of a message that are shown.
const SHOWN: usize = 200;

/// The conversation in lines.
///
/// # Errors
/// The model cannot read it.
pub(super) fn conversation(session: &Session<'_>) -> Result<String, Error> {
    let (engine, plan) = (session.service.engine(), session.settings.plan());
    let mut lines = Vec::new();
    for (said, told) in session.talk.messages() {
        let mut parts = Vec::new();
        for piece in &said.pieces {
            parts.push(match piece {
                Piece::Text(text) => shortened(text),
                Piece::Picture(picture) => format!("[{}]", picture.about(engine, plan)?),
            });
        }
        lines.push(format!("{:>10}  {}{}", said.role, parts.join(" "), remark(said, told)));
    }
    for picture in &session.waiting {
        lines.push(format!("{:>10}  [{}]", "next", picture.about(engine, plan)?));
    }
    let (messages, pictures) = session.talk.told();
    let tokens = if messages.is_empty() { 0 } else { session.tokens(false)? };
    let of_pictures = pictures.iter().map(|picture| Ok(picture.cost(engine, plan)?.1)).sum::<Result<usize, Error>>()?;
    let of_pictures = if of_pictures > 0 { format!(", {of_pictures} of them of pictures") } else { String::new() };
    lines.push(format!(
        "{tokens} of {} tokens of the context{of_pictures}; answers take up to {}",
        engine.processor().context(),
        session.settings.max_tokens(),
    ));
    Ok(lines.join("\n"))
}

fn remark(said: &Said, told: bool) -> &'static str {
    match (said.stopped, told) {
        (_, false) => "  (left out)",
        (true, true) => "  (stopped)",
        (false, true) => "",
    }
}

/// A text's beginning on one line.
fn shortened(text: &str) -> String {
    let line = one_line(text.trim());
    if line.chars().count() <= SHOWN { line } else { line.chars().take(SHOWN).chain(['…']).collect() }
}
