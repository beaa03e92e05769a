//! Which columns of a row make a sample.

use super::Columns;

/// Columns that pictures are looked for in. (`path` is not among them: in corpora of text it says where a text is from.)
pub(super) const IMAGE: [&str; 5] = ["image", "images", "file_name", "image_path", "image_file"];
/// Columns that clips are looked for in.
pub(super) const CLIP: [&str; 3] = ["video", "videos", "video_path"];
/// Columns that a question is looked for in.
pub(super) const QUESTION: [&str; 5] = ["question", "prompt", "query", "instruction", "problem"];
/// Columns that an answer is looked for in. The text of a document can be one, where something is asked.
pub(super) const ANSWER: [&str; 9] =
    ["answer", "multiple_choice_answer", "answers", "response", "output", "solution", "label", "caption", "text"];
/// Columns that a document's text is looked for in.
const DOCUMENT: [&str; 2] = ["text", "caption"];
/// Columns that hold a chat.
pub(super) const CHAT: [&str; 2] = ["messages", "conversations"];
/// The column of The Cauldron's turns, and of OBELICS' texts.
pub(super) const TURNS: &str = "texts";
/// The column of a system message.
pub(super) const SYSTEM: &str = "system";

/// Which columns make the sample.
#[derive(Debug, PartialEq)]
pub(super) enum Layout {
    /// A list of messages under this name.
    Chat(&'static str),
    /// [`TURNS`]: pairs of what the user says and what the assistant answers; or texts beside pictures, a document.
    Turns,
    /// A question and its answer.
    Asked { question: String, answer: String },
    /// An answer to [`Columns::prompt`] alone.
    Prompted { answer: String },
    /// Text behind its pictures.
    Document { text: String },
}

/// Finds the columns among those that are there; names that were given go before every other layout.
pub(super) fn layout(has: &dyn Fn(&str) -> bool, columns: &Columns) -> Result<Layout, String> {
    let first = |names: &[&str]| names.iter().find(|name| has(name)).map(|&name| name.to_owned());
    let given = |name: &Option<String>| match name {
        Some(name) if !has(name) => Err(format!("`{name}` is missing")),
        name => Ok(name.clone()),
    };
    let (question, answer) = (given(&columns.question)?, given(&columns.answer)?);
    if question.is_none() && answer.is_none() {
        if let Some(name) = CHAT.into_iter().find(|name| has(name)) {
            return Ok(Layout::Chat(name));
        }
        if has(TURNS) {
            return Ok(Layout::Turns);
        }
    }
    let asks = question.is_some() || columns.prompt.is_some() || first(&QUESTION).is_some();
    let question = question.or_else(|| first(&QUESTION));
    let answer = match answer {
        Some(name) => Some(name),
        None if asks => first(&ANSWER),
        None => first(&DOCUMENT),
    };
    match (question, answer) {
        (Some(question), Some(answer)) => Ok(Layout::Asked { question, answer }),
        (None, Some(answer)) if columns.prompt.is_some() => Ok(Layout::Prompted { answer }),
        (None, Some(text)) => Ok(Layout::Document { text }),
        (_, None) => {
            Err("nothing in it makes a sample: `messages`, `conversations`, `texts`, a question and an answer, or \
                          a `text` or `caption` would; other names can be given"
                .to_owned())
        }
    }
}
