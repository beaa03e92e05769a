//! What was said and shown so far, and how much of it the model is told again.

use super::picture::Seen;
use crate::error::Error;
use serde_json::{Value, json};
use smolvlm_engine::PictureSource;
use smolvlm_processor::{MediaSource, Message, Part};
use std::rc::Rc;

/// A conversation: questions and answers, in front of them what the model is told before all.
#[derive(Debug, Default, Clone)]
pub(super) struct Conversation {
    said: Vec<Said>,
    /// The first message behind the system's that is told again; those before it are left out.
    first: usize,
}

/// A message.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) role: String,
    pub(super) pieces: Vec<Piece>,
    /// Whether it was stopped before its end.
    pub(super) stopped: bool,
}

/// A piece of a message.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    Picture(Rc<Seen>),
}

impl Said {
    fn text(role: &str, text: &str) -> Said {
        Said { role: role.to_owned(), pieces: vec![Piece::Text(text.to_owned())], stopped: false }
    }

    /// Its texts as one.
    pub(super) fn texts(&self) -> String {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Picture(_) => None,
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn pictures(&self) -> impl Iterator<Item = &Rc<Seen>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Picture(picture) => Some(picture),
            Piece::Text(_) => None,
        })
    }
}

impl Conversation {
    /// Of messages whose parts name their pictures and clips; `open` brings them.
    ///
    /// # Errors
    /// A part that names none, or a picture that cannot be had.
    pub(super) fn of(
        messages: Vec<Message>,
        open: &mut dyn FnMut(&Part) -> Result<Seen, Error>,
    ) -> Result<Conversation, Error> {
        let mut said = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            let pieces = message.content.into_iter().map(|part| match part {
                Part::Text(text) => Ok(Piece::Text(text)),
                Part::Image(MediaSource::Given) | Part::Clip(MediaSource::Given) | Part::Frame => Error::usage(
                    format!("message {index} has a picture that it does not name: a `path` or `url` would be right"),
                ),
                part => Ok(Piece::Picture(Rc::new(open(&part)?))),
            });
            let pieces = pieces.collect::<Result<_, Error>>()?;
            said.push(Said { role: message.role, pieces, stopped: false });
        }
        Ok(Conversation { said, first: 0 })
    }

    /// As JSON that `run --messages` and [`Conversation::of`] read.
    pub(super) fn to_json(&self) -> Value {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => json!({ "type": "text", "text": text }),
            Piece::Picture(picture) => picture.part(),
        };
        let message = |said: &Said| match said.pieces.as_slice() {
            [Piece::Text(text)] => json!({ "role": said.role, "content": text }),
            pieces => json!({ "role": said.role, "content": pieces.iter().map(piece).collect::<Vec<_>>() }),
        };
        self.said.iter().map(message).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// All messages, and whether each is told again.
    pub(super) fn messages(&self) -> impl Iterator<Item = (&Said, bool)> {
        let begin = self.begin();
        self.said.iter().enumerate().map(move |(at, said)| (said, at < begin || at >= self.first))
    }

    /// What the model is told before all.
    pub(super) fn system(&self) -> Option<String> {
        self.said.first().filter(|said| said.role == "system").map(Said::texts)
    }

    /// Tells it something else, or nothing.
    pub(super) fn set_system(&mut self, text: &str) {
        let begin = self.begin();
        let now = if text.is_empty() { None } else { Some(Said::text("system", text)) };
        let more = usize::from(now.is_some());
        self.said.splice(..begin, now);
        self.first = (self.first + more).saturating_sub(begin);
    }

    /// Forgets all but what the model is told before all.
    pub(super) fn clear(&mut self) {
        self.said.truncate(self.begin());
        self.first = 0;
    }

    /// Adds a question about pictures.
    pub(super) fn ask(&mut self, pictures: Vec<Rc<Seen>>, text: &str) {
        let pieces = pictures.into_iter().map(Piece::Picture).chain([Piece::Text(text.to_owned())]).collect();
        self.said.push(Said { role: "user".to_owned(), pieces, stopped: false });
    }

    /// Adds the answer to the last question.
    pub(super) fn answer(&mut self, text: &str, stopped: bool) {
        self.said.push(Said { stopped, ..Said::text("assistant", text) });
    }

    /// Takes the last answer back, so that its question stands open; whether there is one.
    pub(super) fn reopen(&mut self) -> bool {
        match self.said.iter().rposition(|said| said.role == "user") {
            Some(at) => self.said.truncate(at + 1),
            None => return false,
        }
        self.first = self.first.min(self.said.len());
        true
    }

    /// Leaves the oldest turn out that is still told: up to the next question. Whether there was one beside the last.
    pub(super) fn leave_out(&mut self) -> bool {
        let from = self.first.max(self.begin());
        let next = self.said.iter().skip(from + 1).position(|said| said.role == "user").map(|at| from + 1 + at);
        match next {
            Some(next) => self.first = next,
            None => return false,
        }
        true
    }

    /// Questions that are left out.
    pub(super) fn left_out(&self) -> usize {
        self.messages().filter(|(said, told)| !told && said.role == "user").count()
    }

    /// What the model is told: messages, and the pictures of their places.
    pub(super) fn told(&self) -> (Vec<Message>, Vec<&Rc<Seen>>) {
        let told: Vec<&Said> = self.messages().filter(|(_, told)| *told).map(|(said, _)| said).collect();
        let parts = |piece: &Piece| match piece {
            Piece::Text(text) => vec![Part::Text(text.clone())],
            Piece::Picture(seen) => seen.parts(),
        };
        let message =
            |said: &&Said| Message { role: said.role.clone(), content: said.pieces.iter().flat_map(parts).collect() };
        (told.iter().map(message).collect(), told.iter().flat_map(|said| said.pictures()).collect())
    }

    /// Where the messages behind the system's begin.
    fn begin(&self) -> usize {
        usize::from(self.said.first().is_some_and(|said| said.role == "system"))
    }
}

/// Pictures as the engine takes them.
pub(super) fn sources(pictures: &[&Rc<Seen>]) -> Vec<PictureSource> {
    pictures.iter().flat_map(|picture| picture.sources()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(conversation: &Conversation) -> Vec<String> {
        let (messages, _) = conversation.told();
        let text = |message: Message| match message.content.as_slice() {
            [Part::Text(text)] => format!("{} {text}", message.role),
            other => format!("{} {}", message.role, other.len()),
        };
        messages.into_iter().map(text).collect()
    }

    fn three_turns() -> Conversation {
        let mut conversation = Conversation::default();
        for number in 1..=3 {
            conversation.ask(Vec::new(), &format!("q{number}"));
            conversation.answer(&format!("a{number}"), false);
        }
        conversation
    }

    #[test]
    fn the_oldest_turns_are_left_out_first() {
        let mut talk = three_turns();
        talk.set_system("s");
        assert_eq!(texts(&talk).len(), 7);
        assert!(talk.leave_out());
        assert_eq!(texts(&talk), ["system s", "user q2", "assistant a2", "user q3", "assistant a3"]);
        talk.set_system("");
        assert_eq!(texts(&talk), ["user q2", "assistant a2", "user q3", "assistant a3"]);
        talk.set_system("t");
        assert!(talk.leave_out());
        assert_eq!(texts(&talk), ["system t", "user q3", "assistant a3"]);
        assert!(!talk.leave_out());
        assert_eq!(talk.left_out(), 2);
        // Nothing is lost of what is saved.
        assert_eq!(talk.to_json().as_array().unwrap().len(), 7);
        talk.clear();
        assert_eq!(texts(&talk), ["system t"]);
        assert_eq!(talk.left_out(), 0);
    }

    #[test]
    fn a_turn_is_asked_again() {
        let mut talk = three_turns();
        assert!(talk.reopen());
        assert_eq!(texts(&talk).last().unwrap(), "user q3");
        assert!(talk.reopen());
        assert_eq!(texts(&talk).len(), 5);
        let mut empty = Conversation::default();
        empty.set_system("s");
        assert!(!empty.reopen() && !empty.leave_out());
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let mut talk = three_turns();
        talk.set_system("s");
        let messages = smolvlm_processor::parse_messages(&talk.to_json().to_string()).unwrap();
        let again = Conversation::of(messages, &mut |_| Error::usage("no picture")).unwrap();
        assert_eq!(texts(&again), texts(&talk));
        assert_eq!(again.system().as_deref(), Some("s"));
        let given = vec![Message::user(1, "What?")];
        let error = Conversation::of(given, &mut |_| Error::usage("unused")).unwrap_err();
        assert!(error.to_string().starts_with("message 0 has a picture that it does not name"), "{error}");
    }
}
