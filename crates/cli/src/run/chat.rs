//! What is asked: the call's words and files as a chat with pictures.

use super::Args;
use crate::error::Error;
use crate::options::{CHAT, read_text};
use crate::pictures::Source;
use smolvlm_processor::{Message, Part, parse_messages};
use std::io::Write;

/// What can be asked at once.
const TRY: &str = "  smolvlm demo                                           a drawn picture, a question, an answer
  smolvlm run photo.jpg                                  what is in a picture
  smolvlm run photo.jpg \"What colour is the car?\"
  smolvlm run before.png after.png \"What has changed?\"
  smolvlm run -m FOLDER photo.jpg \"Read the sign.\"      by another model than the small one that is built in
  smolvlm run --help                                     the rest";

/// As [`TRY`], where no model is built in.
const TRY_WITH_A_MODEL: &str = "  smolvlm run -m FOLDER photo.jpg                        what is in a picture
  smolvlm run -m FOLDER photo.jpg \"What colour is the car?\"
  smolvlm demo -m FOLDER                                 a drawn picture, a question, an answer
  smolvlm run --help                                     the rest";

/// The chat, and where its pictures come from in the order of their places.
pub(super) fn chat(args: &Args) -> Result<(Vec<Message>, Vec<Source>), Error> {
    let mut words = args.words.clone();
    let question = match (&args.prompt, &args.messages) {
        (Some(prompt), _) => {
            Some(if prompt == "-" { read_text("-", CHAT)?.trim_end_matches('\n').into() } else { prompt.clone() })
        }
        (None, Some(_)) => None,
        (None, None) => question(&mut words, args.sources.is_some() || !args.image.is_empty())?,
    };
    if let Some(word) = words.iter().find(|word| !Source::of(word).is_there()) {
        return Error::usage(format!(
            "'{word}' is no file: pictures come first, and the question last, as one word in quotes or behind -p"
        ));
    }
    let given = args.sources.sources(words.iter().chain(&args.image))?;
    let stdin = [&args.prompt, &args.messages].into_iter().any(|text| text.as_deref() == Some("-"));
    if stdin && given.contains(&Source::Stdin) {
        return Error::usage("'-' stands for a picture and for a text: stdin holds one");
    }
    let mut messages = match (&args.messages, question) {
        (Some(file), _) => parse_messages(&read_text(file, CHAT)?)?,
        (None, question) => {
            let question = question.unwrap_or_else(|| description(given.len()));
            vec![about(given.len(), &question, args.special)]
        }
    };
    if let Some(system) = &args.system
        && !tell(&mut messages, system)
    {
        return Error::usage("--system: the messages have a system message already");
    }
    let files = place_pictures(&messages, given, args.special)?;
    Ok((messages, files))
}

/// A question about so many pictures.
pub(super) fn about(pictures: usize, question: &str, special: bool) -> Message {
    // With --special a typed <image> is a place: then the pictures go there and not in front.
    let typed = if special { question.matches(smolvlm_processor::IMAGE).count() } else { 0 };
    Message::user(pictures.saturating_sub(typed), question)
}

/// Puts a system message in front, unless there is one.
pub(super) fn tell(messages: &mut Vec<Message>, system: &str) -> bool {
    let untold = messages.first().is_none_or(|m| m.role != "system");
    if untold {
        messages.insert(0, Message::text("system", system));
    }
    untold
}

/// The question: the last word, or none where pictures are all that is given (`others` by options).
fn question(words: &mut Vec<String>, others: bool) -> Result<Option<String>, Error> {
    let is_picture = |word: &str| match Source::of(word) {
        Source::File(path) => path.is_file() || is_picture_name(word),
        _ => !word.contains(char::is_whitespace), // a question may speak of an address
    };
    let question = words.pop_if(|word| !is_picture(word));
    if question.is_none() && words.is_empty() && !others {
        return Err(nothing(smolvlm_hub::DEFAULT));
    }
    Ok(question)
}

/// What is asked about so many pictures of which nothing else is; stderr tells.
fn description(pictures: usize) -> String {
    let question = if pictures == 1 { "Describe the image." } else { "Describe the images." };
    let _ = writeln!(std::io::stderr(), "no question was given; asking: {question}");
    question.into()
}

/// Whether a word can be nothing but a picture's name: then it is a mistake where no such file is.
fn is_picture_name(word: &str) -> bool {
    const ENDINGS: [&str; 8] = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"];
    let lower = word.to_ascii_lowercase();
    !word.contains(char::is_whitespace) && ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// That nothing was asked, with what could be of the `model` of who names none.
fn nothing(model: Option<&str>) -> Error {
    let examples = if model.is_some() { TRY } else { TRY_WITH_A_MODEL };
    Error::Nothing { what: "no picture and no question; for example:", examples }
}

/// Where the pictures come from in order of their places: what parts name, and the given ones for the others.
///
/// Places typed in text (`--special`) stand behind all given pictures' parts here; the plan counts them.
pub(super) fn place_pictures(messages: &[Message], given: Vec<Source>, special: bool) -> Result<Vec<Source>, Error> {
    let mut given = given.into_iter();
    let (mut files, mut places) = (Vec::new(), 0usize);
    let mut missing = 0usize;
    for part in messages.iter().flat_map(|m| &m.content) {
        let typed = match part {
            Part::Image(source) => match Source::of_part(source) {
                Some(source) => {
                    files.push(source);
                    continue;
                }
                None => 1,
            },
            Part::Text(text) if special => text.matches(smolvlm_processor::IMAGE).count(),
            Part::Text(_) => 0,
        };
        places += typed;
        for _ in 0..typed {
            match given.next() {
                Some(file) => files.push(file),
                None => missing += 1,
            }
        }
    }
    let left = given.count();
    if left > 0 {
        return Error::usage(format!(
            "{} picture(s) given, but the chat has {places} place(s) for them: parts {{\"type\": \"image\"}} without a path",
            places + left
        ));
    }
    if missing > 0 {
        return Error::usage(format!(
            "the chat has {places} place(s) for pictures without a path, but {} picture(s) given; each place needs one",
            places - missing
        ));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_words() {
        let asked = |words: &[&str], others| {
            let mut words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            question(&mut words, others).map(|question| (question, words.len()))
        };
        let file = "Cargo.toml";
        assert_eq!(asked(&[file, "What?"], false).unwrap(), (Some("What?".into()), 1));
        assert_eq!(asked(&[file], false).unwrap(), (None, 1));
        assert_eq!(asked(&[], true).unwrap(), (None, 0));
        assert_eq!(asked(&["https://a/b.png", "-", "What?"], false).unwrap(), (Some("What?".into()), 2));
        assert_eq!(asked(&["https://a/b"], false).unwrap(), (None, 1));
        assert_eq!(asked(&["https://a/b is what?"], false).unwrap().1, 0);
        // No such file: the word stays, to be named as a mistake.
        assert_eq!(asked(&["nowhere.JPG"], false).unwrap(), (None, 1));
        assert_eq!(asked(&["Who drew nowhere.jpg"], false).unwrap().1, 0);
        assert!(matches!(asked(&[], false), Err(Error::Nothing { .. })));
        assert_eq!((description(1).as_str(), description(2).as_str()), ("Describe the image.", "Describe the images."));
    }

    #[test]
    fn what_to_try_follows_from_the_model_that_is_built_in() {
        let examples = |model| match nothing(model) {
            Error::Nothing { examples, .. } => examples,
            other => panic!("{other}"),
        };
        assert!(examples(Some("nano")).contains("smolvlm demo  "));
        let named = |line: &str| line.contains("-m FOLDER") || line.contains("--help");
        assert!(examples(None).lines().all(named));
    }
}
