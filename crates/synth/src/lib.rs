//! Drawn pictures with questions about them: an endless stream, a pure function of (seed, index, the pinned packages).
//!
//! [`Stream::sample`] makes the sample of an index. What it asks is a [`Skill`]; what it draws with is a [`Kit`]: fonts,
//! and the hands that drew the things. What tests keep for themselves (wordings, fonts, words, pairs of colour and shape,
//! positions) is held out in the files of `words/` and by [`Split`].

mod canvas;
mod chart;
mod colours;
mod error;
mod kit;
mod letters;
mod random;
mod reading;
mod sample;
mod shape_skills;
mod skills;
mod stream;
pub mod things;
pub mod wordings;

pub use canvas::{Canvas, Place};
pub use colours::Colour;
pub use error::Error;
pub use kit::{Kit, Need};
pub use letters::{Font, Fonts, Text};
pub use random::Random;
pub use sample::{Rgb, Sample, Split, Turn};
pub use skills::{Mix, SKILLS, Skill};
pub use stream::Stream;
