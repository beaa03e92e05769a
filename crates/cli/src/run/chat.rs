//! What is asked: the call's words and files as a chat with pictures.

use super::Args;
use crate::error::Error;
use crate::options::{CHAT, read_text};
use crate::pictures::{Medium, Source, is_clip_name};
use smolvlm_processor::{MediaSource, Message, Part, parse_messages};
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

/// The chat, and what takes its places in their order.
pub(super) fn chat(args: &Args) -> Result<(Vec<Message>, Vec<Medium>), Error> {
    let mut words = args.words.clone();
    let question = match (&args.prompt, &args.messages) {
        (Some(prompt), _) => {
            Some(if prompt == "-" { read_text("-", CHAT)?.trim_end_matches('\n').into() } else { prompt.clone() })
        }
        (None, Some(_)) => None,
        (None, None) => {
            question(&mut words, args.sources.is_some() || !args.image.is_empty() || !args.video.is_empty())?
        }
    };
    if let Some(word) = words.iter().find(|word| !Source::of(word).is_there()) {
        return Error::usage(format!(
            "'{word}' is no file: pictures and clips come first, and the question last, as one word in quotes or behind -p"
        ));
    }
    let given = args.sources.sources(words.iter().chain(&args.image).chain(&args.video))?;
    let stdin = [&args.prompt, &args.messages].into_iter().any(|text| text.as_deref() == Some("-"));
    if stdin && given.contains(&Source::Stdin) {
        return Error::usage("'-' stands for a picture and for a text: stdin holds one");
    }
    let clips = given.len() - usize::from(args.sources.is_some()) - args.video.len();
    let clips = clips..clips + args.video.len();
    let media = given.into_iter().enumerate().map(|(at, source)| match clips.contains(&at) {
        true => Medium::Clip(source),
        false => source.medium(),
    });
    let given: Vec<Medium> = media.collect();
    let mut messages = match (&args.messages, question) {
        (Some(file), _) => parse_messages(&read_text(file, CHAT)?)?,
        (None, question) => {
            let question = question.unwrap_or_else(|| description(&given));
            vec![about(&given, &question, args.special)]
        }
    };
    if let Some(system) = &args.system
        && !tell(&mut messages, system)
    {
        return Error::usage("--system: the messages have a system message already");
    }
    let media = place(&messages, given, args.special)?;
    Ok((messages, media))
}

/// A question about pictures and clips.
pub(super) fn about(media: &[Medium], question: &str, special: bool) -> Message {
    // With --special a typed <image> is a place: then the pictures go there and not in front.
    let mut typed = if special { question.matches(smolvlm_processor::IMAGE).count() } else { 0 };
    let mut message = Message::user(0, question);
    let places = media.iter().rev().filter_map(|medium| match medium {
        Medium::Clip(_) => Some(Part::Clip(MediaSource::Given)),
        Medium::Picture(_) if typed > 0 => {
            typed -= 1;
            None
        }
        Medium::Picture(_) => Some(Part::Image(MediaSource::Given)),
    });
    let places: Vec<Part> = places.collect();
    message.content.splice(0..0, places.into_iter().rev());
    message
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
        Source::File(path) => path.exists() || is_picture_name(word),
        _ => !word.contains(char::is_whitespace), // a question may speak of an address
    };
    let question = words.pop_if(|word| !is_picture(word));
    if question.is_none() && words.is_empty() && !others {
        return Err(nothing(smolvlm_hub::DEFAULT));
    }
    Ok(question)
}

/// What is asked about pictures and clips of which nothing else is; stderr tells.
fn description(media: &[Medium]) -> String {
    let question = match media {
        [Medium::Picture(_)] => "Describe the image.",
        [Medium::Clip(_)] => "Describe the video.",
        media if media.iter().all(|medium| matches!(medium, Medium::Picture(_))) => "Describe the images.",
        _ => "Describe what is shown.",
    };
    let _ = writeln!(std::io::stderr(), "no question was given; asking: {question}");
    question.into()
}

/// Whether a word can be nothing but the name of a picture or a clip: then it is a mistake where no such file is.
fn is_picture_name(word: &str) -> bool {
    const ENDINGS: [&str; 8] = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"];
    let lower = word.to_ascii_lowercase();
    !word.contains(char::is_whitespace) && (ENDINGS.iter().any(|ending| lower.ends_with(ending)) || is_clip_name(word))
}

/// That nothing was asked, with what could be of the `model` of who names none.
fn nothing(model: Option<&str>) -> Error {
    let examples = if model.is_some() { TRY } else { TRY_WITH_A_MODEL };
    Error::Nothing { what: "no picture and no question; for example:", examples }
}

/// What takes the places in their order: what parts name, and the given ones for the others.
///
/// Places typed in text (`--special`) stand behind all given pictures' parts here; the plan counts them.
pub(super) fn place(messages: &[Message], given: Vec<Medium>, special: bool) -> Result<Vec<Medium>, Error> {
    let (clips, pictures) = given.into_iter().partition(|medium| matches!(medium, Medium::Clip(_)));
    let mut pictures = Given::new(pictures, "picture", "image");
    let mut clips = Given::new(clips, "clip", "video");
    let mut media = Vec::new();
    for part in messages.iter().flat_map(|m| &m.content) {
        match part {
            Part::Image(source) => match Source::of_part(source) {
                Some(source) => media.push(Medium::Picture(source)),
                None => media.extend(pictures.next()),
            },
            Part::Clip(source) => match Source::of_part(source) {
                Some(source) => media.push(Medium::Clip(source)),
                None => media.extend(clips.next()),
            },
            Part::Text(text) if special => {
                let typed = text.matches(smolvlm_processor::IMAGE).count();
                media.extend((0..typed).filter_map(|_| pictures.next()));
            }
            Part::Text(_) | Part::Frame => {}
        }
    }
    pictures.finish()?;
    clips.finish()?;
    Ok(media)
}

/// Pictures or clips that are given beside a chat, and its places for them.
struct Given {
    left: std::vec::IntoIter<Medium>,
    given: usize,
    places: usize,
    /// What one is called, and what the type of its part is.
    what: &'static str,
    kind: &'static str,
}

impl Given {
    fn new(media: Vec<Medium>, what: &'static str, kind: &'static str) -> Given {
        Given { given: media.len(), left: media.into_iter(), places: 0, what, kind }
    }

    fn next(&mut self) -> Option<Medium> {
        self.places += 1;
        self.left.next()
    }

    /// That each has found its place, and no place is empty.
    fn finish(self) -> Result<(), Error> {
        let Given { given, places, what, kind, .. } = self;
        if given > places {
            return Error::usage(format!(
                "{given} {what}(s) given, but the chat has {places} place(s) for them: parts {{\"type\": \"{kind}\"}} without a path"
            ));
        }
        if given < places {
            return Error::usage(format!(
                "the chat has {places} place(s) for {what}s without a path, but {given} {what}(s) given; each place needs one"
            ));
        }
        Ok(())
    }
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
        let media = |words: &[&str]| words.iter().map(|word| Source::of(word).medium()).collect::<Vec<_>>();
        let asked = [&["a.png"][..], &["a.png", "b.png"], &["a.mp4"], &["a.png", "b.mp4"]]
            .map(|words| description(&media(words)));
        assert_eq!(
            asked,
            ["Describe the image.", "Describe the images.", "Describe the video.", "Describe what is shown."]
        );
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
