//! A sample as its source holds it.

use smolvlm_processor::{DecodeOptions, Error, Message, Part, Picture};
use std::path::PathBuf;

/// One sample of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is said and shown.
    pub content: Content,
    /// The pictures of the content's places, in order; the places are [`smolvlm_processor::ImageSource::Given`].
    pub pictures: Vec<PictureFile>,
}

/// What a sample's text is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A chat, which the model's template renders.
    Chat(Vec<Message>),
    /// Text and pictures as they follow each other, without a template: a caption behind its picture, a page.
    Document(Vec<Part>),
}

/// What is told of one answer besides its text, for whoever scores others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// What its question asks for, as results are grouped: `count`, `colour`.
    pub skill: Option<String>,
    /// The answers of several annotators, one each, as VQAv2 has ten; the answer itself is the most common of them.
    pub annotators: Vec<String>,
    /// Other answers that are right as well.
    pub also: Vec<String>,
}

/// An encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureFile {
    /// In a file of its own.
    Path(PathBuf),
    /// In the source itself.
    Bytes(Vec<u8>),
}

impl PictureFile {
    /// Its bytes, still encoded.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn read(self, decode: &DecodeOptions) -> Result<Vec<u8>, Error> {
        match self {
            PictureFile::Path(path) => Picture::read(&path, decode),
            PictureFile::Bytes(bytes) => Ok(bytes),
        }
    }
}

/// Samples that can be read in any order.
pub trait Source: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sample `index`, counted from 0.
    ///
    /// # Errors
    /// What is wrong with it, in words that name no file and no row: whoever asks knows them.
    fn read(&self, index: usize) -> Result<Sample, String>;

    /// The same with what is told of each answer: one for each turn of the assistant, none for a document.
    ///
    /// # Errors
    /// As [`Source::read`], and where what is told does not fit the answers.
    fn read_with_references(&self, index: usize) -> Result<(Sample, Vec<References>), String> {
        let sample = self.read(index)?;
        let references = sample.references();
        Ok((sample, references))
    }
}
