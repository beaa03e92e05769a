//! What the whole was about, of what was said of its parts.

use super::{Noted, Watcher, time};
use crate::error::Error;
use smolvlm_processor::Message;

/// Parts that are summed up at a time: of more, what was summed up is summed up again.
const TOGETHER: usize = 16;

/// Sums up all parts.
pub(super) fn summarise(watcher: &Watcher<'_>, question: &str) -> Result<String, Error> {
    let line = |noted: &Noted| format!("{}-{}: {}", time(noted.from), time(noted.to), noted.text);
    let mut lines: Vec<String> = watcher.noted.iter().map(line).collect();
    loop {
        let all = lines.len() <= TOGETHER;
        let mut shorter = Vec::new();
        for group in lines.chunks(TOGETHER) {
            shorter.push(watcher.answer(vec![Message::text("user", &asked(group, question))], &[])?);
        }
        if all {
            return Ok(shorter.into_iter().next().unwrap_or_default());
        }
        // A summary stands for the time of its parts.
        let spans = watcher.noted.chunks(watcher.noted.len().div_ceil(shorter.len()));
        let span = |group: &[Noted]| match (group.first(), group.last()) {
            (Some(first), Some(last)) => format!("{}-{}", time(first.from), time(last.to)),
            _ => String::new(),
        };
        lines = spans.map(span).zip(shorter).map(|(span, text)| format!("{span}: {text}")).collect();
    }
}

/// The notes, and what is asked about them.
fn asked(lines: &[String], question: &str) -> String {
    format!("These notes tell what happens in the parts of a video, in order:\n{}\n{question}", lines.join("\n"))
}
