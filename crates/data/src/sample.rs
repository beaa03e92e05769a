//! A sample as its source holds it.

use smolvlm_processor::{DecodeOptions, Error, Message, Part, Picture};
use std::{borrow::Cow, path::PathBuf};

/// One sample of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What is said and shown.
    pub content: Content,
    /// The pictures of the content's places, in order; the places are [`smolvlm_processor::MediaSource::Given`].
    pub pictures: Vec<PictureFile>,
    /// The clips of its places for clips, in order.
    pub clips: Vec<ClipFile>,
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

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureFile {
    /// In a file of its own.
    Path(PathBuf),
    /// In the source itself.
    Bytes(Vec<u8>),
    /// Here: it was drawn, and never encoded.
    Pixels(Picture),
}

/// Where a clip is.
#[derive(Debug, Clone, PartialEq)]
pub enum ClipFile {
    /// In a file, or a folder of frames, of its own.
    Path(PathBuf),
    /// In the source itself.
    Bytes(Vec<u8>),
    /// Here: it was drawn.
    Frames {
        /// All of one size.
        frames: Vec<Picture>,
        /// How many are shown a second.
        fps: f64,
    },
}

/// A picture in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureData {
    /// The bytes of its file.
    Encoded(Vec<u8>),
    /// Its pixels.
    Pixels(Picture),
}

impl PictureFile {
    /// What it holds, still encoded where it was.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn read(self, decode: &DecodeOptions) -> Result<PictureData, Error> {
        match self {
            PictureFile::Path(path) => Picture::read(&path, decode).map(PictureData::Encoded),
            PictureFile::Bytes(bytes) => Ok(PictureData::Encoded(bytes)),
            PictureFile::Pixels(picture) => Ok(PictureData::Pixels(picture)),
        }
    }
}

impl PictureFile {
    /// Its (width, height), from the header where it is encoded.
    ///
    /// # Errors
    /// Its file cannot be read, or is no picture.
    pub fn size(&self, decode: &DecodeOptions) -> Result<(u32, u32), Error> {
        match self {
            PictureFile::Path(path) => Picture::size_of(path, decode),
            PictureFile::Bytes(bytes) => Picture::size(bytes, decode),
            PictureFile::Pixels(picture) => Ok((picture.width, picture.height)),
        }
    }
}

impl Default for PictureData {
    /// Of no bytes: what is left where a picture was taken.
    fn default() -> PictureData {
        PictureData::Encoded(Vec::new())
    }
}

impl PictureData {
    /// Its (width, height), from the header where it is encoded.
    ///
    /// # Errors
    /// As [`Picture::size`].
    pub fn size(&self, decode: &DecodeOptions) -> Result<(u32, u32), Error> {
        match self {
            PictureData::Encoded(bytes) => Picture::size(bytes, decode),
            PictureData::Pixels(picture) => Ok((picture.width, picture.height)),
        }
    }

    /// Its pixels.
    ///
    /// # Errors
    /// As [`Picture::decode`].
    pub fn decode(&self, decode: &DecodeOptions) -> Result<Cow<'_, Picture>, Error> {
        match self {
            PictureData::Encoded(bytes) => Picture::decode(bytes, decode).map(Cow::Owned),
            PictureData::Pixels(picture) => Ok(Cow::Borrowed(picture)),
        }
    }

    /// A file of it: its own, or a PNG.
    ///
    /// # Errors
    /// As [`Picture::to_png`].
    pub fn encoded(&self) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            PictureData::Encoded(bytes) => Ok(Cow::Borrowed(bytes)),
            PictureData::Pixels(picture) => picture.to_png().map(Cow::Owned),
        }
    }

    /// What it is known by: the bytes of its file, or of its pixels.
    pub fn bytes(&self) -> &[u8] {
        match self {
            PictureData::Encoded(bytes) => bytes,
            PictureData::Pixels(picture) => &picture.rgb,
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
