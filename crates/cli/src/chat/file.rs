//! Conversations in files: messages in JSON, as `smolvlm run --messages` reads them.

use super::conversation::Conversation;
use crate::error::Error;
use crate::options::{CHAT, read_text};
use crate::output::NewFile;
use smolvlm_processor::{Message, parse_messages};
use std::path::Path;

/// The most MiB of a file that is read: pictures may stand in it.
const MOST: u64 = 256;

/// Writes a conversation, in the place of one that is there already; whether `run --messages` finds it too long.
///
/// # Errors
/// It cannot be written, or something else has the name.
pub(super) fn save(path: &Path, conversation: &Conversation) -> Result<bool, Error> {
    if path.exists() && read(path).is_err() {
        return Error::usage(format!(
            "{} is there already and is no conversation; another name would be right",
            path.display()
        ));
    }
    let mut text = serde_json::to_string_pretty(&conversation.to_json()).unwrap_or_default();
    text.push('\n');
    NewFile::begin(path)?.finish(text.as_bytes())?;
    Ok(text.len() as u64 > CHAT << 20)
}

/// Reads one's messages.
///
/// # Errors
/// It cannot be read, or holds no messages.
pub(super) fn read(path: &Path) -> Result<Vec<Message>, Error> {
    // A file of that name, and not stdin.
    let name = if path == Path::new("-") { "./-".into() } else { path.to_string_lossy() };
    Ok(parse_messages(&read_text(&name, MOST)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_replace_conversations_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (chat, other) = (dir.path().join("chat.json"), dir.path().join("other"));
        let mut talk = Conversation::default();
        talk.ask(Vec::new(), "What?");
        save(&chat, &talk).unwrap();
        talk.answer("That.", false);
        assert!(!save(&chat, &talk).unwrap());
        assert_eq!(read(&chat).unwrap(), [Message::text("user", "What?"), Message::text("assistant", "That.")]);
        std::fs::write(&other, "a picture").unwrap();
        assert!(save(&other, &talk).unwrap_err().to_string().contains("is no conversation"));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "a picture");
        assert!(save(&dir.path().join("no/chat.json"), &talk).is_err() && save(dir.path(), &talk).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        let mut long = Conversation::default();
        long.ask(Vec::new(), &"x".repeat((CHAT as usize) << 20));
        assert!(save(&chat, &long).unwrap());
        assert!(read(Path::new("-")).unwrap_err().to_string().starts_with("./-: "));
    }
}
