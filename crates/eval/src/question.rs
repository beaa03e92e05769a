//! Questions out of samples: every turn of the assistant is one, behind all that stands before it.

use crate::metrics::{self, Truth};
use crate::picture::Shown;
use smolvlm_data::{ClipFile, Content, References};
use smolvlm_processor::{Message, Part};
use std::sync::Arc;

/// What the model is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Which source of the mixture.
    pub(crate) source: usize,
    /// Which row of it, counted from 1.
    pub(crate) row: u64,
    /// Which of the row's answers, counted from 1.
    pub(crate) turn: usize,
    /// The chat up to the question, earlier answers as the data set has them.
    pub(crate) messages: Vec<Message>,
    /// The pictures of the chat's places.
    pub(crate) pictures: Vec<Arc<Shown>>,
    /// The clips of its places for clips.
    pub(crate) clips: Vec<ClipFile>,
    /// What is right.
    pub(crate) truth: Truth,
    /// What is asked for, if the row tells it.
    pub(crate) skill: Option<String>,
    /// Whether the model's template renders the chat; else it is one text.
    pub(crate) chat: bool,
    /// What may be chosen, by labels, and as it stands behind the prompt.
    pub(crate) candidates: Vec<(String, String)>,
    /// Whether the likeliest of these is the answer, whatever the metric.
    pub(crate) by_choice: bool,
    /// Strings that end an answer.
    pub(crate) stops: Vec<String>,
}

/// A chat's questions. `pictures` and `clips` are those of its places.
///
/// # Errors
/// Where nothing is asked.
pub(crate) fn questions(
    content: Content,
    references: Vec<References>,
    (pictures, clips): (&[Arc<Shown>], &[ClipFile]),
    (source, row): (usize, u64),
) -> Result<Vec<Question>, String> {
    let Content::Chat(messages) = content else {
        return Err("a document, in which nothing is asked; a prompt would ask for its text".to_owned());
    };
    let mut questions = Vec::new();
    let mut references = references.into_iter();
    let mut turn = 0;
    for (index, message) in messages.iter().enumerate() {
        if message.role != "assistant" {
            continue;
        }
        turn += 1;
        let References { skill, annotators, also } = references.next().unwrap_or_default();
        let before = messages.get(..index).unwrap_or_default();
        let Some(asked) = before.iter().rfind(|message| message.role == "user") else { continue };
        let parts = || before.iter().flat_map(|message| &message.content);
        let places = parts().filter(|part| part.is_place()).count();
        let films = parts().filter(|part| matches!(part, Part::Clip(_))).count();
        let truth = Truth { question: said(asked), expected: said(message), annotators, also, ..Truth::default() };
        let pictures = pictures.iter().take(places).cloned().collect();
        let clips = clips.iter().take(films).cloned().collect();
        let letters = metrics::letters(&truth.question);
        let candidates = letters.into_iter().map(|letter| (letter.clone(), letter)).collect();
        questions.push(Question {
            source,
            row,
            turn,
            messages: before.to_vec(),
            pictures,
            clips,
            truth,
            skill,
            chat: true,
            candidates,
            by_choice: false,
            stops: Vec::new(),
        });
    }
    match questions.is_empty() {
        true => Err("no answer stands behind a question".to_owned()),
        false => Ok(questions),
    }
}

/// The texts of a message.
fn said(message: &Message) -> String {
    let texts = message.content.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_data::PictureFile;

    #[test]
    fn every_answer_is_asked_for_behind_what_stands_before() {
        let chat = vec![
            Message::text("system", "S"),
            Message::user(1, "Q"),
            Message::text("assistant", "A"),
            Message::user(1, "R"),
            Message::text("assistant", " B "),
        ];
        let file = |i: usize| Arc::new(Shown::File(PictureFile::Path(format!("{i}.png").into())));
        let shown: Vec<Arc<Shown>> = (0..2).map(file).collect();
        let told = |skill: &str| References { skill: Some(skill.to_owned()), ..References::default() };
        let asked = questions(Content::Chat(chat.clone()), vec![told("x"), told("y")], (&shown, &[]), (2, 7)).unwrap();
        let brief = |q: &Question| (q.turn, q.truth.question.clone(), q.truth.expected.clone(), q.pictures.len());
        assert_eq!(brief(&asked[0]), (1, "Q".into(), "A".into(), 1));
        assert_eq!(brief(&asked[1]), (2, "R".into(), "B".into(), 2));
        assert_eq!((&asked[0].messages[..], &asked[1].messages[..]), (&chat[..2], &chat[..4]));
        assert_eq!((asked[1].skill.as_deref(), asked[1].source, asked[1].row), (Some("y"), 2, 7));
    }

    #[test]
    fn where_nothing_is_asked() {
        let of = |content| questions(content, Vec::new(), (&[], &[]), (0, 1)).unwrap_err();
        assert!(of(Content::Document(vec![Part::Text("T".into())])).contains("nothing is asked"));
        assert!(of(Content::Chat(vec![Message::text("assistant", "Hello.")])).contains("behind a question"));
    }
}
