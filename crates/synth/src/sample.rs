//! What a drawn sample is.

/// A picture: RGB rows from the top, 3 bytes a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub data: Vec<u8>,
}

/// Whether a sample is for learning or for a test: they take their wordings, fonts, words, pairs of colour and shape and
/// positions from sets that do not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// For learning.
    Train,
    /// For tests.
    Test,
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What is asked for, as reports group it: `colour`, `count`, …
    pub skill: &'static str,
    /// The question.
    pub question: String,
    /// The answer that is taught.
    pub answer: String,
    /// Other answers that are as right (synonyms, look-alikes).
    pub also: Vec<String>,
}

/// Pictures, and what is asked about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// In front of the first question, in order; none for small talk.
    pub pictures: Vec<Rgb>,
    /// One or several turns.
    pub turns: Vec<Turn>,
    /// Where the pictures are frames of one clip, how many of them are shown a second.
    pub fps: Option<f64>,
}
