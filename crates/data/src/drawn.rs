//! Data that is drawn as it is read: the endless stream of `smolvlm-synth`, and its test sets.

mod files;

use crate::{ClipFile, Content, Error, PictureFile, References, Sample, Source};
use smolvlm_processor::{MediaSource, Message, Part, Picture};
use smolvlm_synth::{Kit, Mix, Set, Split, Stream};
use std::path::Path;

pub use files::{Format, Writer};

/// The seed of the stream that is learnt from; where a mixture begins in it, its own seed says.
const SEED: u64 = 1;

/// Whether a path names what is drawn: `synth` (the default mix of skills), `synth:single,count=2` (skills with their
/// weights), `synth-test:count` (a test set). A file or folder of such a name is meant by `./synth`.
pub fn is_drawn(path: &Path) -> bool {
    named(path).is_some()
}

/// What a path asks for.
enum Drawn<'a> {
    Mix(&'a str),
    Test(&'a str),
}

fn named(path: &Path) -> Option<Drawn<'_>> {
    let text = path.to_str()?;
    match text.split_once(':') {
        None => (text == "synth").then_some(Drawn::Mix("")),
        Some(("synth", mix)) => Some(Drawn::Mix(mix)),
        Some(("synth-test", set)) => Some(Drawn::Test(set)),
        Some(_) => None,
    }
}

/// Opens what is drawn.
///
/// # Errors
/// A skill or a test set is unknown, or what it draws with is not there.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Source>, Error> {
    let wrong = |source| Error::Drawn { path: path.display().to_string(), source };
    let kit = Kit::shared().map_err(wrong)?;
    match named(path) {
        Some(Drawn::Test(name)) => Ok(Box::new(Set::open(kit, name).map_err(wrong)?)),
        Some(Drawn::Mix(mix)) => {
            let mix = Mix::parse(mix).map_err(wrong)?;
            Ok(Box::new(Stream::new(kit, mix, Split::Train, SEED).map_err(wrong)?))
        }
        None => Err(Error::Format { path: path.display().to_string(), what: "nothing that is drawn".into() }),
    }
}

impl Source for Stream {
    fn len(&self) -> usize {
        usize::try_from(Stream::LEN).unwrap_or(usize::MAX)
    }

    fn read(&self, index: usize) -> Result<Sample, String> {
        Ok(chat(self.sample(index as u64)))
    }

    fn read_with_references(&self, index: usize) -> Result<(Sample, Vec<References>), String> {
        Ok(scored(self.sample(index as u64)))
    }
}

impl Source for Set {
    fn len(&self) -> usize {
        Set::LEN
    }

    fn read(&self, index: usize) -> Result<Sample, String> {
        Ok(chat(self.sample(index)))
    }

    fn read_with_references(&self, index: usize) -> Result<(Sample, Vec<References>), String> {
        Ok(scored(self.sample(index)))
    }
}

/// A drawn sample with what is as right as its answers.
fn scored(drawn: smolvlm_synth::Sample) -> (Sample, Vec<References>) {
    let of = |turn: &smolvlm_synth::Turn| References {
        skill: Some(turn.skill.into()),
        annotators: Vec::new(),
        also: turn.also.clone(),
    };
    let references = drawn.turns.iter().map(of).collect();
    (chat(drawn), references)
}

/// The chat of a drawn sample: its pictures, or the clip that they are frames of, stand in front of the first question.
fn chat(drawn: smolvlm_synth::Sample) -> Sample {
    let mut shown: Vec<Part> = match drawn.fps {
        Some(_) => vec![Part::Clip(MediaSource::Given)],
        None => drawn.pictures.iter().map(|_| Part::Image(MediaSource::Given)).collect(),
    };
    let mut messages = Vec::new();
    for turn in drawn.turns {
        let mut content = std::mem::take(&mut shown);
        content.push(Part::Text(turn.question));
        messages.push(Message { role: "user".into(), content });
        messages.push(Message { role: "assistant".into(), content: vec![Part::Text(turn.answer)] });
    }
    let picture = |rgb: smolvlm_synth::Rgb| Picture { width: rgb.width, height: rgb.height, rgb: rgb.data };
    let pictures = drawn.pictures.into_iter().map(picture);
    let content = Content::Chat(messages);
    match drawn.fps {
        Some(fps) => {
            Sample { content, pictures: Vec::new(), clips: vec![ClipFile::Frames { frames: pictures.collect(), fps }] }
        }
        None => Sample { content, pictures: pictures.map(PictureFile::Pixels).collect(), clips: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Columns;

    fn open(path: &str) -> Result<Box<dyn Source>, Error> {
        crate::open(Path::new(path), &Columns::default())
    }

    #[test]
    fn the_stream_is_read_as_chats_with_pixels() {
        let source = open("synth:single").unwrap();
        assert_eq!(source.len() as u64, 1 << 32);
        let sample = source.read(4_000_000_000).unwrap();
        let (Content::Chat(messages), [PictureFile::Pixels(picture)]) = (&sample.content, &sample.pictures[..]) else {
            panic!("{sample:?}");
        };
        assert_eq!(picture.rgb.len() as u32, picture.width * picture.height * 3);
        assert!(matches!(&messages[0].content[..], [Part::Image(MediaSource::Given), Part::Text(_)]));
        assert!(messages.len() >= 4 && messages.len().is_multiple_of(2) && messages[1].role == "assistant");
        assert!(matches!(&messages[2].content[..], [Part::Text(_)]));
        assert_eq!(source.read(4_000_000_000), Ok(sample));
    }

    #[test]
    fn what_is_not_drawn_is_refused_and_files_are_files() {
        assert!(open("synth:singel").err().unwrap().to_string().contains("'singel' is no skill; known are"));
        assert!(open("synth-test:shapes").err().unwrap().to_string().contains("'shapes' is no test set; known are"));
        assert!(!is_drawn(Path::new("./synth")) && !is_drawn(Path::new("data/synth")) && is_drawn(Path::new("synth")));
        assert_eq!(open("synth-test:colour").unwrap().len(), 2000);
    }
}
